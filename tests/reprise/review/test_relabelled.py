"""Which labels count as changed: values, not how wide they are stored."""

import math

import pyarrow as pa
import pytest

from reprise.review.declared import MetricSpec, PredictionsSpec
from reprise.review.relabelled import find_overlap

SPEC = PredictionsSpec(
    metrics={"accuracy": MetricSpec(column="correct", better="higher")}, target="target"
)
IDS = pa.array([1, 2, 3], pa.int64())


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (pa.array([0.1, 0.2, 0.3], pa.float32()), pa.array([0.1, 0.2, 0.4], pa.float64()), [3]),
        (pa.array([0.1, math.nan, 0.3]), pa.array([0.1, math.nan, math.nan]), [3]),
        (pa.array([1, 2, 3], pa.int8()), pa.array([1, 2, 4], pa.int64()), [3]),
        (pa.array([1, 2, 3], pa.int8()), pa.array([1.0, 2.0, 4.0]), [3]),
        (pa.array(["a", "b", None]), pa.array(["a", "c", "b"]), [2]),
    ],
)
def test_only_other_values_are_other_labels(
    old: pa.Array, new: pa.Array, changed: list[int]
) -> None:
    before = pa.table({"id": IDS, "target": old})
    after = pa.table({"id": IDS, "target": new})
    overlap = find_overlap(before, after, SPEC)
    assert (overlap.paired, overlap.relabelled.to_pylist()) == (3, changed)


def test_ids_beyond_63_bits_pair() -> None:
    ids = pa.array([2**63, 2**64 - 1], pa.uint64())
    table = pa.table({"id": ids, "target": ["a", "b"]})
    assert find_overlap(table, table, SPEC).paired == 2
