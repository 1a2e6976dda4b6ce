"""dvc.yaml is written as DVC writes it: `dvc stage add` and `remove` change only their stage."""

import difflib
import shutil
from pathlib import Path

import pytest

from tests.conftest import Project, one_in
from tests.test_contract import STAGES

ADDED = """\
  added_stage:
    cmd: python -m src.added data/model data/added
    deps:
    - data/model/model.safetensors
    - src/added.py
    params:
    - train.seed
    outs:
    - data/added
"""


def bare(finished: Project, folder: Path) -> Project:
    """Copy what DVC needs to edit dvc.yaml."""
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy(finished.root / name, folder / name)
    project = Project(folder, finished.path)
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    return project


def changed(before: str, after: str) -> tuple[str, str]:
    """Return the lines removed and those added, each as one text."""
    removed = added = ""
    for line in difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)):
        if line.startswith("- "):
            removed += line[2:]
        elif line.startswith("+ "):
            added += line[2:]
    return removed, added


def test_adding_a_stage_adds_its_lines_and_removing_it_gives_the_file_back(
    finished: Project, tmp_path: Path
) -> None:
    project = bare(finished, tmp_path)
    before = (tmp_path / "dvc.yaml").read_text()
    deps = ("-d", "data/model/model.safetensors", "-d", "src/added.py")
    command = "python -m src.added data/model data/added"
    outs = ("-p", "train.seed", "-o", "data/added")
    project.run("dvc", "stage", "add", "-n", "added_stage", *deps, *outs, command)
    after = (tmp_path / "dvc.yaml").read_text()
    assert changed(before, after) == ("", ADDED)
    project.run("dvc", "remove", "added_stage")
    assert (tmp_path / "dvc.yaml").read_text() == before


@pytest.mark.parametrize("stage", one_in(3, reversed(STAGES)))
def test_removing_a_stage_removes_its_lines(stage: str, finished: Project, tmp_path: Path) -> None:
    project = bare(finished, tmp_path)
    before = (tmp_path / "dvc.yaml").read_text()
    start = before.index(f"  {stage}:\n")
    own = before[start : before.index("\n\n", start) + 2]
    if "${" in own:  # DVC edits no stage that params are written into
        output = project.run("dvc", "remove", stage, code=1)
        assert "cannot remove a parametrized stage" in output
        own = ""
    else:
        project.run("dvc", "remove", stage)
    assert (tmp_path / "dvc.yaml").read_text() == before.replace(own, "")
