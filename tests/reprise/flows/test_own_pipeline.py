"""A user's own package `pipeline` is none of reprise's."""

import sys
from pathlib import Path

import pytest

from tests.reprise.corpus import Made
from tests.reprise.flows.prefect_server import api, states
from tests.reprise.runner.repository import Make, make, stage

__all__ = ["api", "make"]  # fixtures
pytestmark = pytest.mark.xdist_group("prefect")
REPRISE = Path(sys.executable).with_name("reprise")
OWN = {
    "pipeline/__init__.py": "raise AssertionError('imported')\n",
    "pipeline/errors.py": "",
    "pipeline/flows.py": "",
}


@pytest.fixture
def made(make: Make, monkeypatch: pytest.MonkeyPatch) -> Made:
    """A repository with a package `pipeline`, which every Python finds first."""
    monkeypatch.setenv("PYTHONPATH", ".")
    repository: Made = make({"a": stage("cat a.in > a", ["a.in"], "a")}, OWN)
    return repository


def test_a_plan_in_a_repository_with_its_own_package_pipeline(made: Made) -> None:
    assert made.run(REPRISE, "plan") == "  run        a  never ran  (time unknown)\n"


@pytest.mark.slow
def test_a_flow_in_a_repository_with_its_own_package_pipeline(made: Made, api: str) -> None:
    assert "Completed" in made.run(REPRISE, "run", "--prefect")
    assert states(api, 1) == {"a": "Completed"}
