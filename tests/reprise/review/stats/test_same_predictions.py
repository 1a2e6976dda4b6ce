"""Tells predictions that are the same, row by row, from such that only score the same."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from reprise.review.declared import PredictionsSpec
from reprise.review.stats.aligned import align_tables
from reprise.review.stats.results import Verdict
from reprise.review.stats.verdicts import SAME_ROWS, compare_metrics

NAN = float("nan")
ACCURACY = {"accuracy": {"column": "correct", "better": "higher"}}
LOSS = {"loss": {"column": "loss", "better": "lower"}}


def declared(**more: Any) -> PredictionsSpec:
    return PredictionsSpec.model_validate({"metrics": ACCURACY, "prediction": "guess", **more})


def table(**columns: Any) -> pa.Table:
    given: dict[str, Any] = {"guess": ["a", "b", "a"], "correct": [1, 0, 1], **columns}
    rows = len(given["correct"])
    return pa.table({"id": range(rows), **given})


def are_same(old: pa.Table, new: pa.Table, spec: PredictionsSpec | None = None) -> bool:
    spec = spec or declared()
    return align_tables([old], [new], spec).are_same(spec)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ([0.5, NAN, 1.0], [0.5, NAN, 1.0], True),
        ([0.5, NAN, 1.0], [0.5, 0.0, 1.0], False),
        ([0.0, 1.0, 1.0], [-0.0, 1.0, 1.0], False),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.1 + 0.2], False),  # in the last bit
        ([None, 0.2, 0.3], [None, 0.2, 0.3], True),
        ([None, 0.2, 0.3], [0.1, 0.2, 0.3], False),
    ],
)
def test_values_are_compared_bit_by_bit(old: Any, new: Any, same: bool) -> None:
    for kind in (pa.float32(), pa.float64()):
        sides = [table(loss=pa.array(side, kind)) for side in (old, new)]
        if kind == pa.float32() and old == [0.1, 0.2, 0.3] and not same:
            continue  # its last bit is another one
        assert are_same(*sides) is same
    as_float = table(loss=pa.array(old, pa.float64()))
    assert not are_same(as_float, table(loss=pa.array(old, pa.float32())))


def test_text_is_the_same_however_it_is_stored() -> None:
    plain = table()
    coded = plain.set_column(1, "guess", plain["guess"].dictionary_encode())
    assert are_same(plain, coded)
    other = pa.array(["b", "a"])
    recoded = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), other)
    assert are_same(coded, plain.set_column(1, "guess", recoded))
    assert not are_same(plain, table(guess=["a", "b", "b"]))


def test_the_order_of_rows_and_what_does_not_pair_are_nothing() -> None:
    plain = table()
    assert are_same(plain, plain.take([2, 0, 1]))
    assert are_same(plain, plain.slice(1))
    assert are_same(pa.concat_tables([plain.slice(1), plain.slice(0, 1)]), plain)
    assert not are_same(plain, plain.set_column(0, "id", pa.array([7, 8, 9])))  # none pairs
    assert are_same(plain.slice(2), plain.slice(2))  # one row


def test_a_column_of_one_side_is_a_difference() -> None:
    assert not are_same(table(loss=[0.1, 0.2, 0.3]), table())
    assert not are_same(table(), table(loss=[0.1, 0.2, 0.3]))


def test_right_and_wrong_alone_are_no_predictions() -> None:
    """Of three classes, two models may err on the same rows, and not alike."""
    spec = declared(prediction=None)
    assert not are_same(table(), table(), spec)
    measured = declared(prediction=None, metrics={**ACCURACY, **LOSS})
    both = table(loss=[0.1, 0.2, 0.3])
    assert are_same(both, both, measured)
    exact = table(loss=[0.0, 1.0, 1.0])
    assert not are_same(exact, exact, measured)


def test_seeds_are_compared_in_their_order() -> None:
    spec = declared()
    first, second = table(), table(guess=["a", "a", "a"])
    assert align_tables([first, second], [first, second], spec).are_same(spec)
    assert not align_tables([first, second], [second, first], spec).are_same(spec)
    assert not align_tables([first], [first, first], spec).are_same(spec)


@pytest.mark.parametrize("rows", [1, 19, 200])
def test_there_is_no_interval_and_no_test(rows: int) -> None:
    """However few rows there are, the same is the same."""
    loss = np.linspace(0, 3, rows)
    sides = [table(guess=["a"] * rows, correct=np.ones(rows), loss=loss)]
    compared = compare_metrics(
        sides, sides, declared(metrics={**ACCURACY, **LOSS}, primary="loss"), same=True
    )
    assert [metric.name for metric in compared.metrics] == ["loss", "accuracy"]
    for metric in compared.metrics:
        assert (metric.verdict, metric.why, metric.method) == (Verdict.SAME, None, "no test")
        assert (metric.low, metric.high, metric.p_value, metric.detectable) == (None,) * 4
        assert (metric.difference, metric.old) == (0.0, metric.new)
    assert compared.note == f"{SAME_ROWS}."


def test_what_has_no_mean_has_no_verdict_all_the_same() -> None:
    sides = [table(loss=[0.1, NAN, 0.2])]
    found = compare_metrics(sides, sides, declared(metrics={**ACCURACY, **LOSS}), same=True).metrics
    assert [metric.verdict for metric in found] == [Verdict.SAME, None]
    assert str(found[1].why).startswith("its column is empty or not finite in 1 of 3 paired rows")


def test_too_few_rows_in_common_have_no_verdict() -> None:
    old, new = table(), table().slice(2)
    found = compare_metrics([old], [new], declared(), same=True)
    assert found.refused is not None
    assert found.primary.verdict is None
