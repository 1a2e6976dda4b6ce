"""What a command keeps in `.dvc/tmp/reprise/checkpoints` is there for its next run, for a week."""

import os
import time
from pathlib import Path

import pytest

from reprise.state.folders import StateFolders
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text

COMMAND = """\
# Ends by SIGKILL at its first run.
kept=${REPRISE_TMP:-.dvc/tmp/reprise}/checkpoints/key
mkdir -p $kept
echo more >> $kept/lines
[ $(grep -c more $kept/lines) = 2 ] || kill -9 $$
echo done > out
"""
FILES = {
    "a.in": "1\n",
    "command.sh": COMMAND,
    "dvc.yaml": text(
        {"stages": {"s": {"cmd": "sh command.sh", "deps": ["a.in", "command.sh"], "outs": ["out"]}}}
    ),
}


@pytest.mark.parametrize("kind", ["namespace", "folder", "none"])
def test_a_command_goes_on_from_what_it_kept(
    kind: str, tmp_path: Path, commands: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "folder":
        monkeypatch.setenv("REPRISE_SANDBOX", "folder")
    options = ["--no-sandbox"] if kind == "none" else []
    made = Made(tmp_path, {"files": FILES}, commands).create()
    made.run("reprise", "run", *options, code=1)
    made.run("reprise", "run", *options)
    kept = made.root / ".dvc/tmp/reprise/checkpoints/key"
    assert (kept / "lines").read_text() == "more\nmore\n"


@pytest.mark.parametrize("kind", ["namespace", "folder"])
def test_verify_sees_nothing_of_it_and_leaves_it_alone(
    kind: str, tmp_path: Path, commands: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "folder":
        monkeypatch.setenv("REPRISE_SANDBOX", "folder")
    made = Made(tmp_path, {"files": FILES}, commands).create()
    made.run("reprise", "run", code=1)
    made.run("reprise", "run")
    made.run("reprise", "verify", code=1)  # where it runs for the first time, it seems
    kept = made.root / ".dvc/tmp/reprise/checkpoints/key"
    assert (kept / "lines").read_text() == "more\nmore\n"


def test_what_was_not_touched_for_a_week_is_removed(tmp_path: Path) -> None:
    folders = StateFolders(tmp_path)
    folders.remove_old_checkpoints()
    ages = {"new": 0, "days": 6.9, "week": 7.1}
    for name, days in ages.items():
        kept = folders.checkpoints / name
        kept.mkdir(parents=True)
        (kept / "a").touch()
        then = time.time() - days * 24 * 3600
        os.utime(kept, (then, then))
    folders.remove_old_checkpoints()
    assert {path.name for path in folders.checkpoints.iterdir()} == {"new", "days"}
