"""`reprise run --prefect` leaves what `reprise run` and `dvc repro` leave.

On the corpus and on the project itself.
"""

import os
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import SHORT, Project, new_project
from tests.reprise.corpus import REPOSITORIES, Made
from tests.reprise.flows.prefect_server import api

__all__ = ["api"]  # a fixture
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PATH with commands that have Prefect imported, too.

    States and logs may be lost at their end, files are not.
    """
    folder = tmp_path_factory.mktemp("flows")
    warm.start(folder, os.getpid(), "prefect.server.schemas", "reprise.flows.repro")
    return f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"


def left_by(project: Project) -> dict[str, bytes]:
    """Every file under data, dvc.lock and the .gitignore files."""
    files = [
        project.root / "dvc.lock",
        *project.root.glob("**/.gitignore"),
        *project.root.glob("data/**/*"),
    ]
    return {str(f.relative_to(project.root)): f.read_bytes() for f in files if f.is_file()}


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_flow_leaves_the_bytes_of_dvc_repro(
    name: str, tmp_path: Path, flows: str, api: str
) -> None:
    Made.compare(tmp_path, REPOSITORIES[name], flows, "--prefect")


def test_dvc_repro_a_run_and_a_flow_leave_the_same_project(
    tmp_path: Path, flows: str, api: str
) -> None:
    runners = {
        "dvc": ["dvc", "repro"],
        "run": ["reprise", "run"],
        "flow": ["reprise", "run", "--prefect"],
    }
    projects = {name: new_project(tmp_path / name, flows) for name in runners}
    for changes in (
        SHORT,
        {"evaluate.bins": 5},
        {"train.epochs": 1},
        {"train.epochs": 2, "train.seed": 7},
    ):
        left = []
        for name, command in runners.items():
            projects[name].set(changes)
            projects[name].run(*command)
            left.append(left_by(projects[name]))
        assert left[0] == left[1] == left[2], f"after {changes}"
