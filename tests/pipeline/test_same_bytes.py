"""`reprise run` leaves what `dvc repro` leaves: lock files, .gitignore files, outs and the cache."""

from pathlib import Path

import pytest

from tests.pipeline.corpus import REPOSITORIES, Made

ALL = [
    pytest.param(name, jobs, marks=[] if jobs == 4 and i % 3 == 0 else pytest.mark.slow)  # a third on every change
    for jobs in (1, 2, 4, 8)
    for i, name in enumerate(REPOSITORIES)
]


@pytest.mark.parametrize(("name", "jobs"), ALL)
def test_a_run_leaves_the_bytes_of_dvc_repro(name: str, jobs: int, tmp_path: Path, commands: str) -> None:
    spec = REPOSITORIES[name]
    theirs = Made(tmp_path / "theirs", spec, commands).create()
    ours = Made(tmp_path / "ours", spec, commands).create()
    for i, edit in enumerate([{}, *spec.get("edits", [])]):
        theirs.edit(edit)
        ours.edit(edit)
        fails = i in spec.get("fails", []) or "broken" in spec
        theirs.reproduce("dvc", fails=fails)
        ours.reproduce("reprise", f"-j{jobs}", fails=fails)
        if not fails:
            assert ours.state() == theirs.state(), f"after edit {i}"
