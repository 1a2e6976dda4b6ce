"""Test that dvc.lock and .gitignore come out in the order of `dvc repro`, whatever came between."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import one_in
from tests.reprise.corpus import YAML_, Made
from tests.reprise.runner.repository import Make, make, meta, stage, start, wait_for

__all__ = ["make"]  # the fixture


def stages(folder: Path) -> dict[str, Any]:
    """Two stages wait for a file beside the repository, or fail for another; the others don't."""
    waits = f"until test -e {folder}/go; do sleep 0.05; done; test ! -e {folder}/fail && "
    commands = {}
    for name in ("a", "b", "c", "d", "e"):
        wait = waits if name in ("a", "d") else ""
        command = f"{wait}echo {name} > {folder}/{name}.ran && cat a.in > {name}"
        commands[name] = stage(command, ["a.in"], name, **meta(sandbox=False))
    # Written by DVC's own writer, for its quotes.
    commands["c"]["deps"].append("c: in")
    return commands


@pytest.fixture
def pair(make: Make, tmp_path: Path) -> tuple[Made, Made]:
    files = {"c: in": "1\n", ".gitignore": "/other\n"}
    ours = make(stages(tmp_path), files, folder="ours")
    return ours, make(stages(tmp_path), files, folder="theirs")


def check_same(ours: Made, theirs: Made) -> None:
    for file in ("dvc.lock", ".gitignore"):
        assert (ours.root / file).read_text() == (theirs.root / file).read_text()
    assert "Data and pipelines are up to date" in ours.run("dvc", "status")


def interrupt(made: Made, folder: Path, *options: str) -> None:
    """Interrupt a run once the quick stages have finished."""
    process = start(made, "-j5", *options)
    for name in ("b", "c", "e"):
        wait_for(folder / f"{name}.ran")
    journal = made.root / ".dvc/tmp/reprise/journal"
    for _ in range(200):
        if sum(path.read_text().count("\n") for path in journal.glob("*.jsonl")) >= 3:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


@pytest.mark.parametrize("options", one_in(2, [[], ["-k"]]))
def test_after_an_interrupted_run(
    pair: tuple[Made, Made], tmp_path: Path, options: list[str]
) -> None:
    ours, theirs = pair
    interrupt(ours, tmp_path, *options)
    assert list(lock(ours)) == ["b", "c", "e"]  # what finished is there at once
    (tmp_path / "go").touch()
    for made, runner in ((ours, "reprise"), (theirs, "dvc")):
        made.reproduce(runner)
    check_same(ours, theirs)
    early = ours.root / ".dvc/tmp/reprise/early.jsonl"
    assert not early.exists()


@pytest.mark.slow
def test_after_two_interrupted_runs(pair: tuple[Made, Made], tmp_path: Path) -> None:
    ours, theirs = pair
    interrupt(ours, tmp_path)
    ours.edit({"c: in": "2\n"})
    theirs.edit({"c: in": "2\n"})
    (tmp_path / "c.ran").unlink()
    process = start(ours, "-j5")
    wait_for(tmp_path / "c.ran")
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    (tmp_path / "go").touch()
    for made, runner in ((ours, "reprise"), (theirs, "dvc")):
        made.reproduce(runner)
    check_same(ours, theirs)


@pytest.mark.parametrize("options", one_in(2, [[], ["-k"]]))
def test_after_a_failure(pair: tuple[Made, Made], tmp_path: Path, options: list[str]) -> None:
    ours, theirs = pair
    for name in ("go", "fail"):
        (tmp_path / name).touch()
    ours.run("reprise", "run", "-j5", *options, code=1)
    theirs.run("dvc", "repro", *options, code=255)
    (tmp_path / "fail").unlink()
    for made, runner in ((ours, "reprise"), (theirs, "dvc")):
        made.reproduce(runner)
    assert list(lock(ours)) == list(lock(theirs))


def test_what_dvc_appended_meanwhile_keeps_its_place(
    pair: tuple[Made, Made], tmp_path: Path
) -> None:
    ours, _ = pair
    interrupt(ours, tmp_path)
    (tmp_path / "go").touch()
    ours.run("dvc", "repro", "a")
    ours.run("reprise", "run")
    assert list(lock(ours)) == ["b", "c", "e", "a", "d"]


def lock(made: Made) -> dict[str, Any]:
    found: dict[str, Any] = YAML_.load(made.root / "dvc.lock")["stages"]
    return found
