"""`reprise run` leaves what `dvc repro` leaves: lock files, .gitignore files, outs and the cache."""

from pathlib import Path

import pytest

from tests.reprise.corpus import REPOSITORIES, Made

ALL = [
    pytest.param(
        name, jobs, marks=[] if jobs == 4 and i % 3 == 0 else pytest.mark.slow
    )  # a third on every change
    for jobs in (1, 2, 4, 8)
    for i, name in enumerate(REPOSITORIES)
]


@pytest.mark.parametrize(("name", "jobs"), ALL)
def test_a_run_leaves_the_bytes_of_dvc_repro(
    name: str, jobs: int, tmp_path: Path, commands: str
) -> None:
    Made.compare(tmp_path, REPOSITORIES[name], commands, f"-j{jobs}")
