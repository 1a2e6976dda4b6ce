"""Test that what people's pipelines do comes out as with `dvc repro`, absolute paths and all."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from reprise.sandbox.choice import try_overlay
from tests.conftest import one_in
from tests.reprise.corpus import YAML_, Made

HABITS: dict[str, dict[str, Any]] = YAML_.load(Path(__file__).with_name("habits.yaml"))
FOLDER = [name for name, habit in HABITS.items() if "folder" in habit.get("modes", ["folder"])]


def left_by(runner: str, folder: Path, habit: dict[str, Any], commands: str) -> dict[str, str]:
    """Run the habit's pipeline in the folder, and remove it. Return every file's content or link.

    Of both runners in the same folder: outs may hold its path.
    """
    made = Made(folder, habit, commands).create()
    for command in habit.get("shell", []):
        made.run("sh", "-c", command)
    for path in made.root.rglob("*.py"):
        os.utime(path, (0, 10**9))  # a compiled module in a folder dep has its source's time
    made.reproduce(runner)
    left = {}
    for path in sorted(made.root.rglob("*")):
        name = str(path.relative_to(made.root))
        if name.startswith((".git/", ".dvc/tmp", ".dvc/config.local")) or name.endswith(".pyc"):
            continue
        if path.is_symlink():
            left[name] = f"link to {path.readlink()}"
        elif path.is_file():
            left[name] = path.read_bytes().decode(errors="replace")
        else:
            left[name] = "folder"
    shutil.rmtree(made.root)
    return left


@pytest.mark.parametrize("name", one_in(4, HABITS))
def test_a_habit_leaves_what_dvc_repro_leaves(name: str, tmp_path: Path, commands: str) -> None:
    refused = try_overlay(tmp_path, tmp_path / "trial")
    if refused is not None and name not in FOLDER:
        pytest.skip(f"needs mount namespaces: {refused}")
    theirs = left_by("dvc", tmp_path, HABITS[name], commands)
    assert left_by("reprise", tmp_path, HABITS[name], commands) == theirs


@pytest.mark.parametrize("name", one_in(6, FOLDER))
def test_without_namespaces_too_where_no_path_is_absolute(
    name: str, tmp_path: Path, commands: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = left_by("dvc", tmp_path, HABITS[name], commands)
    monkeypatch.setenv("REPRISE_SANDBOX", "folder")
    assert left_by("reprise", tmp_path, HABITS[name], commands) == theirs
