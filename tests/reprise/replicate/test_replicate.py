"""Replicates are run aside, and are entries of the run-cache that a later run restores."""

import json
import sys
from collections import Counter
from contextlib import chdir
from pathlib import Path
from types import FrameType

import pytest

from reprise.commands.replicated_report import review_replicated
from tests.conftest import ROOT, one_in
from tests.reprise.replicate.repository import edit_params, first_line, noisy
from tests.reprise.review.repository import PIPELINE, commit, repository

DECLARED = PIPELINE.replace(
    "    params: [train]\n",
    "    params: [train]\n"
    "    meta: {reprise: {replicates: {param: train.epochs, base: 3, change: 2}}}\n",
)


def state(root: Path) -> dict[str, bytes]:
    """Read the workspace, as git and DVC leave it."""
    files = (path for path in root.rglob("*") if path.is_file())
    mine = (path for path in files if not {".git", ".dvc"} & {*path.relative_to(root).parts})
    return {str(path): path.read_bytes() for path in mine}


@pytest.mark.parametrize("rev", one_in(2, ["HEAD", None]))
def test_replicates_leave_the_workspace_and_are_restored(
    rev: str | None, tmp_path: Path, commands: str
) -> None:
    made = repository(tmp_path, commands)
    (made.root / "dvc.yaml").write_text(DECLARED)
    commit(made, "declare")
    before = state(made.root)
    arguments = [] if rev is None else [rev]
    output = made.run("reprise", "replicate", *arguments)
    assert "train with train.epochs 6: done in" in output
    assert ("train with train.epochs 7: done in" in output) == (rev is not None)
    assert not list((made.root / ".dvc/tmp/reprise/replicates").iterdir())
    assert state(made.root) == before
    params = made.root / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 5", "epochs: 6"))
    assert "restored" in made.run("reprise", "plan", "train")


def test_without_a_declaration_it_says_what_to_write(tmp_path: Path, commands: str) -> None:
    made = repository(tmp_path, commands)
    output = made.run("reprise", "replicate", code=1)
    assert "found no stage with replicates; expected `meta: {reprise:" in output


def test_a_change_that_trainings_confirm_is_better(tmp_path: Path, commands: str) -> None:
    made = noisy(tmp_path, commands)
    edit_params(made, "skill: 0.7", "skill: 0.8")
    before = state(made.root)
    alone = made.run("reprise", "report", "main")
    assert "this model is better on these rows" in first_line(alone)
    asked = "one training a side cannot say whether the change is: reprise report `--replicates`"
    assert asked in first_line(alone)
    report = made.run("reprise", "report", "main", "--replicates", "-j", "2")
    assert "4 trainings with another train.seed: 0 are in the run-cache, 4 to run" in report
    assert "the working tree: train: 3 trainings with another train.seed: 0 are in" in report
    assert "the change is better" in first_line(report)
    assert ", by the recorded training of either side" in report
    assert "a new training of the new recipe is better than one of the old in 100 % of" in report
    assert state(made.root) == before
    again = made.run("reprise", "report", "main", "--replicates", "--format", "json")
    assert "4 are in the run-cache, 0 to run" in again
    assert "3 are in the run-cache, 0 to run" in again
    (metric,) = json.loads(again[again.index("{") :])["compared"][0]["comparison"]["metrics"]
    assert metric["superiority"]["probability"] == 1.0
    assert 0.5 < metric["superiority"]["low"] < 1


def test_luck_of_one_training_is_no_better_change(tmp_path: Path, commands: str) -> None:
    """The same skill: seeds differ by more than rows do."""
    made = noisy(tmp_path, commands, luck=0.1)
    edit_params(made, "luck: 0.1", "luck: 0.1001")
    edit_params(made, "seed: 1", "seed: 3")
    alone = made.run("reprise", "report", "main")
    assert "this model is" in first_line(alone)
    report = made.run("reprise", "report", "main", "--replicates", "-j", "2")
    assert "to run" in report
    assert "no detectable difference" in first_line(report)


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["data", "seed"])
def test_the_same_recipe_is_judged_as_a_model_and_nothing_trains(
    changed: str, tmp_path: Path, commands: str
) -> None:
    made = noisy(tmp_path, commands, luck=0.1)
    if changed == "data":
        (made.root / "data.csv").write_text("2\n")
        made.run("dvc", "add", "-q", "data.csv")
        made.run("dvc", "repro")
    else:
        edit_params(made, "seed: 1", "seed: 3")
    report = made.run("reprise", "report", "main", "--replicates")
    assert "nothing is trained: the recipe is the same on both sides" in report
    assert "the change is" not in report
    if changed == "seed":
        assert "the recipe is the same on both sides, so there is no change of it" in report


def test_rows_that_show_nothing_train_nothing(tmp_path: Path, commands: str) -> None:
    made = noisy(tmp_path, commands)
    edit_params(made, "luck: 0.01", "luck: 0.0101")
    report = made.run("reprise", "report", "main", "--replicates")
    assert "nothing is trained: these rows show no difference" in report


@pytest.mark.parametrize(
    ("old", "new", "compared"),
    [("luck: 0.01", "luck: 0.0101", 1), pytest.param("0.7", "0.8", 2, marks=pytest.mark.slow)],
)
def test_each_side_is_read_once_and_the_report_built_once(
    old: str, new: str, compared: int, tmp_path: Path, commands: str
) -> None:
    made = noisy(tmp_path, commands)
    edit_params(made, old, new)
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(ROOT / "reprise")):
            calls[frame.f_code.co_qualname] += 1

    with chdir(made.root):
        sys.setprofile(count)
        try:
            review_replicated("main", None, 2)
        finally:
            sys.setprofile(None)
    assert calls["RevisionReader.read"] == 2
    assert calls["find_data_changes"] == 1
    assert calls["compare_predictions"] == compared
