"""Reviews changes of the test rows: added ones, and ones with another label."""

import json
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reprise.dvc.history.reader import RevisionReader
from reprise.review.builder import read_sides
from reprise.review.declared import PredictionsSpec
from reprise.review.predictions import Replicates, compare_predictions
from reprise.review.relabelled import find_overlap
from reprise.review.sides import find_sides
from tests.conftest import made_once
from tests.reprise.corpus import Made
from tests.reprise.review.repository import branch_off, commit, run_first, with_remote

# The model is a threshold: a row is predicted to be 1 where x is above it.
PIPELINE = """
stages:
  train:
    cmd: cp threshold.txt model.txt
    deps: [threshold.txt]
    outs: [model.txt]
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
EVALUATE = """
import csv, json
threshold = int(open("model.txt").read())
rows = list(csv.DictReader(open("test.csv")))
for row in rows:
    row["predicted"] = int(int(row["x"]) > threshold)
    row["correct"] = int(row["predicted"] == int(row["y"]))
with open("predictions.csv", "w") as file:
    writer = csv.DictWriter(file, ["id", "x", "y", "predicted", "correct"])
    writer.writeheader()
    writer.writerows(rows)
json.dump({"right": sum(row["correct"] for row in rows)}, open("m.json", "w"))
"""


def rows(count: int, relabelled: int = 0) -> str:
    """Write rows whose x is 0 to 99; y is 1 above 50, but the other for the relabelled ones."""
    lines = []
    for i in range(count):
        x = i % 100
        y = int(x > 50)
        if i < relabelled:
            y = 1 - y
        lines.append(f"r{i},{x},{y}\n")
    return "id,x,y\n" + "".join(lines)


@pytest.fixture(scope="module")
def first(commands: str, shared_folder: Path) -> Made:
    folder = made_once(shared_folder / "test_rows", lambda path: make(path, commands))
    return Made(folder, {}, commands)


def make(folder: Path, commands: str) -> Made:
    files = {
        "dvc.yaml": PIPELINE,
        "evaluate.py": EVALUATE,
        "threshold.txt": "40\n",
        "test.csv": rows(200),
    }
    made = Made(folder, {"files": files}, commands).create()
    return run_first(made, "test.csv")


@pytest.fixture
def made(first: Made, tmp_path: Path) -> Made:
    return branch_off(first, tmp_path / "copy")


def change(made: Made, test: str) -> None:
    made.edit({"test.csv": test, "threshold.txt": "50\n"})
    made.run("dvc", "add", "-q", "test.csv")
    made.run("dvc", "repro")
    commit(made, "change")


def compared(made: Made, *revisions: str) -> Any:
    made.run("reprise", "report", *revisions, "--format", "json", "--out", "../report.json")
    found = json.loads((made.folder / "report.json").read_text())
    (predictions,) = found["compared"]
    return predictions["comparison"] | {"notes": found["notes"]}


def test_the_old_model_is_evaluated_on_added_rows(made: Made) -> None:
    change(made, rows(300))
    text = made.run("reprise", "report", "main")
    assert text.splitlines()[1].startswith(
        "**accuracy 0.9 → 1: this model is better on these rows** (+10.0 pp, "
    )
    assert ", 300 rows paired," in text.splitlines()[1]
    assert "The old model was evaluated on all test rows of the new side." in text
    assert "### Metrics, each side's over all rows that it was tested on" in text.replace("`", "")
    assert "| right | 180 | 300 |" in text
    comparison = compared(made, "main", "feature")
    assert (comparison["paired"], comparison["only_new"]) == (200, 100)
    assert not comparison["evaluated"]
    assert comparison["notes"] == [
        "predictions.csv: the old model was not evaluated on new rows and labels: "
        "that runs a stage, which a report of the working tree alone does"
    ]


def test_with_replicates_the_rows_that_both_sides_recorded_are_judged(
    made: Made, tmp_path: Path
) -> None:
    """Old trainings predicted the old rows alone, so that no step may go by the others."""
    change(made, rows(300))
    none_yet = Replicates({}, {})
    with chdir(made.root), RevisionReader(tmp_path / "temporary") as reader:
        old, new = read_sides(reader, *find_sides(reader, "main", None))
        (compared,) = compare_predictions(reader, old, new, [], replicates=none_yet)
    comparison = compared.comparison
    assert (comparison.paired, comparison.only_new, comparison.evaluated) == (200, 100, False)


def test_a_fresh_clone_evaluates_the_old_model_too(made: Made, tmp_path: Path) -> None:
    with_remote(made, tmp_path)
    change(made, rows(300))
    made.run("dvc", "push", "-q", "--all-commits")
    made.run("git", "clone", "-q", f"file://{made.root}", tmp_path / "clone" / "repo")
    clone = Made(tmp_path / "clone", made.spec, made.path)
    comparison = compared(clone, "HEAD~1")
    assert (comparison["paired"], comparison["evaluated"]) == (300, True)
    assert not (clone.root / "predictions.csv").exists()


def test_an_old_model_that_fails_on_added_rows_is_told(made: Made) -> None:
    change(made, rows(300))
    failing = EVALUATE.replace("rows = list", "assert threshold == 50; rows = list")
    made.edit({"evaluate.py": failing})
    made.run("dvc", "repro")
    comparison = compared(made, "main")
    assert (comparison["paired"], comparison["only_new"]) == (200, 100)
    (note,) = comparison["notes"]
    assert note.startswith(
        "predictions.csv: the old model was not evaluated on new rows and labels"
    )
    assert "AssertionError" in note


def test_rows_with_another_label_are_left_out_and_told_beside(made: Made) -> None:
    """Of the 20 relabelled rows, x is 0 to 19: both models predict 0, and the new label is 1."""
    change(made, rows(200, relabelled=20))
    text = made.run("reprise", "report", "main")
    line = text.splitlines()[1]
    assert line.startswith(
        "**accuracy 0.8889 → 1: this model is better on these rows** (+11.1 pp, "
    )
    assert ", 180 rows paired, 20 with another label left out," in line
    assert "accuracy is 0 for the old model, and 0 for the new one." in text.replace("`", "")
    relabelled = compared(made, "main", "feature")["relabelled"]
    assert relabelled == {"rows": 20, "metric": "accuracy", "old": None, "new": 0.0}


@pytest.mark.parametrize(
    ("old", "new", "relabelled"),
    [
        ([1, 2, 3], [1.0, 2.0, 4.0], ["c"]),
        (["x", "y", "z"], ["x", "z", "z"], ["b"]),
        ([True, False, None], [True, True, None], ["b"]),
        (["1", "2", "3"], [1, 2, 4], ["c"]),  # another column type is no other label
        ([[1], [2], [3]], [[1], [2], [4]], []),  # not to be compared
        ([b"1", b"2", b"3"], [b"1", b"2", b"\xff"], []),
    ],
)
def test_labels_are_compared_by_value(old: Any, new: Any, relabelled: list[str]) -> None:
    spec = PredictionsSpec.model_validate(
        {"target": "y", "metrics": {"m": {"column": "y", "better": "higher"}}}
    )
    ids = ["c", "b", "a"]
    found = find_overlap(
        pa.table({"id": ids[::-1], "y": old}), pa.table({"id": ids, "y": new[::-1]}), spec
    )
    assert (found.paired, sorted(found.relabelled.to_pylist())) == (3, relabelled)


def test_too_many_other_labels_are_refused(made: Made) -> None:
    change(made, rows(200, relabelled=41))
    comparison = compared(made, "main")
    assert comparison["refused"] == (
        "the labels differ too much: 41 of 200 paired rows have another one; at most 20 % may"
    )
    assert comparison["metrics"][0]["verdict"] is None


def test_a_metric_of_text_beside_other_labels_is_told(made: Made) -> None:
    made.edit({"dvc.yaml": PIPELINE.replace("column: correct", "column: id")})
    made.run("dvc", "repro")
    commit(made, "text")
    made.run("git", "branch", "-f", "main")
    change(made, rows(200, relabelled=20))
    text = made.run("reprise", "report", "main").replace("`", "")
    assert "old predictions: column 'id': found string; expected numbers" in text


def test_an_old_model_is_evaluated_once_on_the_same_rows(made: Made) -> None:
    log = made.folder / "evaluated"
    noted = f"{EVALUATE}\nopen({str(log)!r}, 'a').write('x')\n"
    made.edit({"evaluate.py": noted})
    made.run("dvc", "repro")
    commit(made, "note")
    made.run("git", "branch", "-f", "main")
    change(made, rows(300))
    log.write_text("")
    first = made.run("reprise", "report", "main")
    assert log.read_text() == "x"
    assert made.run("reprise", "report", "main") == first
    assert log.read_text() == "x"
    change(made, rows(310))
    made.run("reprise", "report", "main")
    assert log.read_text() == "xxx"  # the new model, by `dvc repro`, and the old one
    shutil.rmtree(made.root / ".dvc" / "tmp" / "reprise")
    made.run("reprise", "report", "main")
    assert log.read_text() == "xxxx"
