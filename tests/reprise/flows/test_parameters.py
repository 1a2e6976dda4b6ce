"""What the `repro` flow refuses before it starts, from a form of Prefect's page too."""

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from reprise.flows.repro import repro

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.mark.parametrize("jobs", [0, -1])
def test_a_run_needs_a_job(jobs: int) -> None:
    with pytest.raises(ParameterTypeError, match="greater than or equal to 1"):
        repro.validate_parameters({"jobs": jobs})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"runner": "slurm"}, "Input should be 'threads' or 'dask'"),
        ({"dask_address": 1}, "Input should be a valid string"),
    ],
)
def test_a_run_needs_an_engine_and_its_settings(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterTypeError, match=message):
        repro.validate_parameters(parameters)
