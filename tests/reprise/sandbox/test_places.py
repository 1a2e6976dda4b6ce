"""A repository may be a worktree, a submodule, below another, behind a link, or on a mount."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reprise.corpus import AUTHOR, RUNNERS, Made

PIPELINE = """\
stages:
  s:
    cmd: >-
      echo $PWD > o; cat a sub/b >> o; git describe --always --dirty >> o;
      git status --porcelain -uno >> o; git rev-parse --show-toplevel >> o; echo 1 > beside.txt
    deps: [a, sub]
    outs: [o]
"""
FILES = {"a": "1\n", "sub/b": "2\n", "other.txt": "tracked, not declared\n", "dvc.yaml": PIPELINE}
DATES = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
PLACES = {
    "a worktree": "git -C main worktree add -q ../place",
    "a submodule": (
        "git init -q place-of && git -C place-of -c protocol.file.allow=always"
        ' submodule --quiet add "$PWD/main" inner && ln -s place-of/inner place'
    ),
    "below another": "mv main/.git . && mv main place && git add -A && git commit -qm moved",
    "behind a link": "ln -s main place",
    "a clone": "git clone -q main place",
}


def left_by(runner: str, folder: Path, name: str, commands: str) -> dict[str, bytes]:
    """Make the repository in the folder, run its pipeline, remove it; return what was left."""
    spec = {"files": FILES}
    made = Made(folder, spec, commands).create()
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "all")
    made.root.rename(folder / "main")
    env = {**os.environ, **AUTHOR, **DATES, "PATH": commands}
    env["DVC_SITE_CACHE_DIR"] = str(folder.parent / "site")
    subprocess.run(["sh", "-ec", PLACES[name]], cwd=folder, env=env, check=True)
    place = folder / "place"
    done = subprocess.run(
        [*RUNNERS[runner]],
        cwd=place,
        env={**env, "PWD": str(place)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    left = {}
    for path in sorted(place.resolve().rglob("*")):
        file = str(path.relative_to(place.resolve()))
        if path.is_file() and not file.startswith((".git/", ".dvc/tmp")):
            left[file] = path.read_bytes()
    shutil.rmtree(folder)
    folder.mkdir()
    return left


@pytest.mark.parametrize("name", PLACES)
def test_a_repository_may_be(
    name: str, tmp_path: Path, commands: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, date in DATES.items():
        monkeypatch.setenv(variable, date)
    folder = tmp_path / "here"
    folder.mkdir()
    theirs = left_by("dvc", folder, name, commands)
    assert left_by("reprise", folder, name, commands) == theirs
