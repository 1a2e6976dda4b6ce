"""Counts of classes and predictions, of both sides."""

import pyarrow as pa
import pytest

from reprise.review.confusion import SHOWN, Confusion, count_confusion


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def test_rows_are_counted_by_class_and_prediction() -> None:
    targets = column("b", "a", "a", "b")
    assert count_confusion(
        targets, column("b", "a", "b", "b"), column("a", "a", "a", "c")
    ) == Confusion(
        ["a", "b", "c"], [[1, 1, 0], [0, 2, 0], [0, 0, 0]], [[2, 0, 0], [1, 0, 1], [0, 0, 0]]
    )


def test_numbers_are_in_their_order_and_missing_ones_are_left_out() -> None:
    found = count_confusion(column(10, 9, 2, None), column(9, 9, None, 2), column(10, 10, 2, 2))
    assert found == Confusion(
        ["2", "9", "10"],
        [[0, 0, 0], [0, 1, 0], [0, 1, 0]],
        [[1, 0, 0], [0, 0, 1], [0, 0, 1]],
    )


def test_types_may_differ_between_sides() -> None:
    found = count_confusion(column("1", "2"), column(1, 2), column("1", "1"))
    assert found == Confusion(["1", "2"], [[1, 0], [0, 1]], [[1, 0], [1, 0]])


@pytest.mark.parametrize(
    "targets",
    [column(0.5, 1.0), column(None, None), column(*range(1001)), column(*map(str, range(2000)))],
)
def test_what_is_no_class_has_no_matrix(targets: pa.ChunkedArray) -> None:
    same = pa.chunked_array([pa.nulls(len(targets), pa.int64())])
    assert count_confusion(targets, targets, targets) is None
    assert count_confusion(same, targets, targets) is None


def test_of_many_classes_those_that_are_mistaken_stay() -> None:
    """The rest is one class; no row is lost."""
    names = [f"c{n}" for n in range(200)]
    targets = column(*names, *names[150:160])
    old = column(*names, *names[160:170])
    new = column(*names, *names[150:160])
    found = count_confusion(targets, old, new)
    assert found is not None
    assert found.classes == [*names[150:170], "180 others"]
    assert len(found.classes) == SHOWN + 1
    assert sum(map(sum, found.old)) == sum(map(sum, found.new)) == 210
    assert found.old[0][10] == 1
    assert found.new[-1][-1] == 180


def test_without_rows_there_are_no_classes() -> None:
    none = pa.chunked_array([pa.array([], pa.string())])
    assert count_confusion(none, none, none) is None
