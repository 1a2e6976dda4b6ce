"""Reviews changes of the features of test rows: in the data, and by another preparation."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import made_once
from tests.reprise.corpus import Made
from tests.reprise.review.repository import branch_off, commit, run_first
from tests.reprise.review.test_test_rows import EVALUATE, compared

PIPELINE = """
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py, raw.csv]
    outs: [test.csv: {meta: {reprise: {table: {id: id, target: y, split: test}}}}]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, model.txt, test.csv]
    outs:
      - predictions.csv:
          meta:
            reprise:
              predictions:
                model: [model.txt]
                target: y
                prediction: predicted
                metrics: {accuracy: {column: correct, better: higher}}
    metrics: [m.json: {cache: false}]
"""
PREPARE = "open('test.csv', 'w').write(open('raw.csv').read())\n"


def rows(moved: int = 0, count: int = 200) -> str:
    """Write rows whose y is 1 where x was above 25; moved: how many have a greater x now."""
    lines = [f"r{i},{i % 50 + (50 if i < moved else 0)},{int(i % 50 > 25)}\n" for i in range(count)]
    return "id,x,y\n" + "".join(lines)


@pytest.fixture(scope="module")
def first(commands: str, shared_folder: Path) -> Made:
    folder = made_once(shared_folder / "features", lambda path: make(path, commands))
    return Made(folder, {}, commands)


def make(folder: Path, commands: str) -> Made:
    files = {
        "dvc.yaml": PIPELINE,
        "prepare.py": PREPARE,
        "evaluate.py": EVALUATE,
        "model.txt": "30\n",
        "raw.csv": rows(),
    }
    made = Made(folder, {"files": files}, commands).create()
    return run_first(made, "model.txt")


@pytest.fixture
def made(first: Made, tmp_path: Path) -> Made:
    return branch_off(first, tmp_path / "copy")


def change(made: Made, files: dict[str, str]) -> None:
    made.edit({"model.txt": "25\n", **files})
    made.run("dvc", "add", "-q", "model.txt")
    made.run("dvc", "repro")
    commit(made, "change")


def test_rows_with_other_features_are_counted_and_left_out(made: Made) -> None:
    change(made, {"raw.csv": rows(20)})
    comparison = compared(made, "main", "feature")
    assert (comparison["changed_features"], comparison["paired"]) == (20, 180)
    text = made.run("reprise", "report", "main", "feature")
    assert ", 180 rows paired, 20 with other features left out" in text.splitlines()[1]
    assert "20 rows have other features than before, and are in no other figure." in text


def test_the_old_model_sees_the_new_features_where_it_can(made: Made) -> None:
    """Both predict the same rows then, and none is left out, however many changed."""
    change(made, {"raw.csv": rows(150)})
    comparison = compared(made, "main")
    assert (comparison["changed_features"], comparison["paired"]) == (150, 200)
    assert (comparison["evaluated"], comparison["refused"]) == (True, None)
    text = made.run("reprise", "report", "main")
    assert ", 200 rows paired, 150 with other features" in text.splitlines()[1]
    assert "150 rows have other features than before, and both models saw the new ones." in text


def test_too_many_other_features_are_refused(made: Made) -> None:
    change(made, {"raw.csv": rows(41)})
    comparison = compared(made, "main", "feature")
    assert comparison["refused"] == (
        "the features differ too much: 41 of 200 paired rows have another one; at most 20 % may"
    )


UPPER = "open('test.csv', 'w').write(open('raw.csv').read().replace(',1,', ',2,'))\n"
UNDECLARED = PIPELINE.replace(": {meta: {reprise: {table: {id: id, target: y, split: test}}}}", "")


@pytest.mark.parametrize(
    "files",
    [
        {"prepare.py": UPPER},  # its change is the change itself
        {"dvc.yaml": PIPELINE.replace("prepare.py\n", "prepare.py again\n", 1), "raw.csv": rows(9)},
        {"dvc.yaml": UNDECLARED, "raw.csv": rows(9)},
        {"dvc.yaml": PIPELINE.replace("split: test", "split: val"), "raw.csv": rows(9)},
    ],
)
def test_of_another_preparation_nothing_is_said(made: Made, files: dict[str, Any]) -> None:
    change(made, files)
    comparison = compared(made, "main", "feature")
    assert (comparison["changed_features"], comparison["paired"]) == (0, 200)


def test_a_label_and_features_of_one_row_are_left_out_once(made: Made) -> None:
    both = rows(10).replace("r3,53,0", "r3,53,1").replace("r100,0,0", "r100,0,1")
    change(made, {"raw.csv": both})
    comparison = compared(made, "main", "feature")
    assert comparison["relabelled"]["rows"] == 2
    assert (comparison["changed_features"], comparison["paired"]) == (10, 189)
