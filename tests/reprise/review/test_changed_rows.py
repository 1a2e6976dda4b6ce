"""The rows whose result changed most: by a graded metric, with what both models said."""

import math
from typing import Any

import pyarrow as pa
import pytest

from reprise.review.changed_rows import ChangedRow, ChangedRows, find_changed_rows
from reprise.review.declared import PredictionsSpec
from reprise.review.stats.aligned import align_tables

ACCURACY = {"column": "correct", "better": "higher"}
LOSS = {"column": "loss", "better": "lower"}


def declared(**more: Any) -> PredictionsSpec:
    given: dict[str, Any] = {
        "metrics": {"accuracy": ACCURACY, "log_loss": LOSS},
        "target": "target",
        "prediction": "prediction",
        "calibration": {"confidence": "confidence"},
    }
    return PredictionsSpec.model_validate({**given, **more})


def side(losses: list[float], **more: Any) -> pa.Table:
    count = len(losses)
    correct = [int(loss < 1) for loss in losses]
    columns = {
        "id": [f"r{i}" for i in range(count)],
        "target": ["t"] * count,
        "prediction": ["t" if right else "f" for right in correct],
        "confidence": [0.5] * count,
        "correct": correct,
        "loss": losses,
    }
    return pa.table({**columns, **more})


def changed(old: pa.Table, new: pa.Table, spec: PredictionsSpec) -> ChangedRows | None:
    return find_changed_rows(align_tables([old], [new], spec), spec)


def test_rows_are_counted_by_the_first_metric_and_listed_by_the_loss() -> None:
    old, new = side([0.1, 0.2, 3.0, 0.4, 0.5]), side([2.0, 0.3, 0.1, 0.4, 0.1])
    found = changed(old, new.take([4, 3, 2, 1, 0]), declared())
    assert found is not None
    assert (found.fixed, found.broken, found.name) == (1, 1, "log_loss")
    assert [row.id for row in found.top_fixed] == ["r2", "r4"]
    assert [row.id for row in found.top_broken] == ["r0", "r1"]
    assert found.top_fixed[0] == ChangedRow("r2", "t", "f", "t", -2.9, 3.0, 0.1, 0.5, 0.5)


def test_rows_that_changed_alike_are_listed_by_id() -> None:
    ids = [f"r{i:02}" for i in range(30)]
    old, new = side([2.0] * 30, id=ids), side([0.5] * 30, id=ids)
    found = changed(old.take([*range(29, -1, -1)]), new, declared())
    assert found is not None
    assert [row.id for row in found.top_fixed] == ids[:10]
    assert (found.fixed, found.top_broken) == (30, [])


def test_the_most_changed_of_many_are_listed() -> None:
    losses = [2 + i / 1000 for i in range(500)]
    found = changed(side(losses), side([1.5] * 500), declared())
    assert found is not None
    assert [row.id for row in found.top_fixed] == [f"r{i}" for i in range(499, 489, -1)]


def test_without_a_graded_metric_the_first_is_listed() -> None:
    old, new = side([2.0, 0.1]), side([0.1, 0.1])
    found = changed(old, new, declared(metrics={"accuracy": ACCURACY}))
    assert found is not None
    assert (found.name, [row.id for row in found.top_fixed]) == ("accuracy", ["r0"])


def test_a_metric_of_other_rows_lists_none() -> None:
    rank = {"column": "loss", "better": "lower", "same_rows": True}
    old, new = side([2.0, 0.1]), side([0.1, 0.1])
    assert changed(old, new, declared(metrics={"rank": rank})) is None
    found = changed(old, new, declared(metrics={"rank": rank, "accuracy": ACCURACY}))
    assert found is not None
    assert (found.fixed, found.name) == (1, "accuracy")


@pytest.mark.parametrize("missing", [math.nan, math.inf, None])
def test_values_that_are_missing_are_no_change(missing: float | None) -> None:
    old = side([2.0, 0.1, 0.2])
    new = side([0.1] * 3, loss=pa.array([0.1, missing, 0.1], pa.float64()))
    found = changed(old, new, declared())
    assert found is not None
    assert [row.id for row in found.top_fixed] == ["r0", "r2"]
    assert found.top_broken == []


@pytest.mark.parametrize("column", ["target", "prediction"])
def test_lists_are_not_shown(column: str) -> None:
    lists = {column: [[1], [2]]}
    found = changed(side([2.0, 0.1], **lists), side([0.1, 0.1], **lists), declared())
    assert found is not None
    (row,) = found.top_fixed
    assert (row.target is None, row.old is None) == (column == "target", column == "prediction")


def test_rows_are_counted_by_a_metric_of_both_sides() -> None:
    old, new = side([2.0, 0.1]).drop_columns(["correct"]), side([0.5, 0.1])
    found = changed(old, new, declared())
    assert found is not None
    assert (found.fixed, found.broken, found.name) == (1, 0, "log_loss")
    assert changed(old.drop_columns(["loss"]), new, declared()) is None


def test_no_rows_in_common_are_no_change() -> None:
    found = changed(side([0.1], id=["a"]), side([0.1], id=["b"]), declared())
    assert found is not None
    assert (found.fixed, found.broken, found.top_fixed, found.top_broken) == (0, 0, [], [])
