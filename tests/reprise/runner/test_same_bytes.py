"""Test that a run leaves what `dvc repro` leaves: lock and .gitignore files, outs, the cache."""

from pathlib import Path

import pytest

from tests.reprise.corpus import REPOSITORIES, Made

ALL = []
for jobs in (1, 2, 4, 8):
    for i, name in enumerate(REPOSITORIES):
        is_quick = jobs == 4 and i % 5 == 0  # a fifth of the repositories on every change
        ALL.append(pytest.param(name, jobs, marks=[] if is_quick else pytest.mark.slow))


@pytest.mark.parametrize(("name", "jobs"), ALL)
def test_a_run_leaves_the_bytes_of_dvc_repro(
    name: str, jobs: int, tmp_path: Path, commands: str
) -> None:
    Made.compare(tmp_path, REPOSITORIES[name], commands, f"-j{jobs}")
