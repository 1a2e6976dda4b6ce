"""Which classes are taken for which others, old beside new."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from reprise.review.declared import PredictionsSpec
from reprise.review.stats.aligned import align_tables
from reprise.review.stats.confused_classes import ConfusedClasses, compare_confused
from reprise.review.stats.proportions import mcnemar_p

SPEC = PredictionsSpec.model_validate(
    {
        "metrics": {"accuracy": {"column": "correct", "better": "higher"}},
        "target": "target",
        "prediction": "prediction",
    }
)


def side(truth: list[str], guess: Sequence[str | None], order: int = 1) -> pa.Table:
    correct = [int(a == b) for a, b in zip(truth, guess, strict=True)]
    columns = {"id": range(len(truth)), "target": truth, "prediction": guess, "correct": correct}
    return pa.table(columns).take(pa.array(range(len(truth))[::order]))


def changes(old: list[pa.Table], new: list[pa.Table]) -> list[ConfusedClasses]:
    return compare_confused(align_tables(old, new, SPEC), SPEC)


def test_the_largest_change_comes_first_and_is_beyond_noise() -> None:
    truth = ["a"] * 40 + ["b"] * 40 + ["c"] * 40
    old = side(truth, ["b"] * 20 + ["a"] * 20 + ["b"] * 40 + ["c"] * 38 + ["a"] * 2)
    new = side(truth, ["a"] * 40 + ["b"] * 39 + ["c"] + ["c"] * 39 + ["a"], order=-1)
    first, *others = changes([old], [new])
    assert (first.target, first.prediction, first.old, first.new) == ("a", "b", 20, 0)
    assert first.is_beyond_noise
    assert first.p_value == pytest.approx(3 * mcnemar_p(0, 20))
    assert [(c.target, c.prediction, c.old, c.new, c.is_beyond_noise) for c in others] == [
        ("b", "c", 0, 1, False),
        ("c", "a", 2, 1, False),
    ]


def test_what_did_not_change_is_not_listed() -> None:
    """As many rows are taken for b, but others: nothing moved."""
    truth = ["a"] * 4
    old, new = side(truth, ["b", "a", "b", "a"]), side(truth, ["a", "b", "a", "b"])
    assert changes([old], [new]) == []
    assert changes([old], [old]) == []


def test_counts_of_several_seeds_are_means_and_not_tested() -> None:
    truth = ["a"] * 4
    old = [side(truth, ["a"] * 4), side(truth, ["b", "a", "a", "a"])]
    (found,) = changes(old, [side(truth, ["b"] * 4)])
    assert found == ConfusedClasses("a", "b", 0.5, 4.0, None)
    assert not found.is_beyond_noise


def test_missing_predictions_are_no_class() -> None:
    truth = ["a", "a", "b"]
    old, new = side(truth, ["b", None, None]), side(truth, [None, "a", None])
    (found,) = changes([old], [new])
    assert (found.target, found.prediction, found.old, found.new) == ("a", "b", 1, 0)


@pytest.mark.parametrize("column", ["target", "prediction"])
@pytest.mark.parametrize("values", [[[1]] * 3, [0.5] * 3])
def test_what_is_no_class_is_not_compared(column: str, values: list[object]) -> None:
    table = side(["a", "a", "b"], ["b", "a", "b"])
    table = table.set_column(table.column_names.index(column), column, pa.array(values))
    assert changes([table], [table]) == []


def test_chance_moves_no_pair_in_most_tables() -> None:
    """Of 200 changes of nothing over 30 pairs of classes, at most 5 % move any."""
    rng = np.random.default_rng(0)
    moved = 0
    for _ in range(200):
        truth = rng.integers(6, size=600)
        sides = []
        for _ in range(2):
            guess = np.where(rng.random(600) < 0.3, rng.integers(6, size=600), truth)
            sides.append([side([*map(str, truth)], [*map(str, guess)])])
        moved += any(change.is_beyond_noise for change in changes(*sides))
    assert moved <= 10
