"""What is recorded of a flow's stages is what they used, whatever is edited meanwhile."""

from pathlib import Path

import pytest

from tests.reprise.flows.prefect_server import api
from tests.reprise.runner.edits import CASES, Waiting
from tests.reprise.runner.repository import Make, make, meta

__all__ = ["api", "make"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]


@pytest.mark.parametrize("sandbox", [True, False])
def test_nothing_is_stale_after_an_edit_while_a_flow_runs(
    make: Make, api: str, tmp_path: Path, sandbox: bool
) -> None:
    Waiting.make(make, CASES, tmp_path, **meta(sandbox=sandbox)).check("--prefect")


def test_nothing_is_stale_after_an_edit_while_dask_runs_commands(
    make: Make, api: str, tmp_path: Path
) -> None:
    cases = [case for case in CASES if case.endswith("late") and "in_place" in case]
    Waiting.make(make, cases, tmp_path).check("--prefect", "--runner", "dask")
