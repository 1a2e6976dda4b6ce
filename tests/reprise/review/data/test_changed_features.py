"""Which rows count as changed: by what their features are, not by how they are stored."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reprise.review.data.changed_features import find_changed_features
from reprise.review.declared import TableSpec

SPEC = TableSpec(id="id", target="y", split="test")
IDS = ["a", "b", "c"]
TENTHS = [0.1, 0.2, 0.3]
NOT_A_NUMBER = pa.array([math.nan, None, 1.0])
COLOURS = pa.array(["red", "green", "red"])
RECODED = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), pa.array(["green", "red"]))


def found(folder: Path, old: dict[str, Any], new: dict[str, Any], spec: TableSpec = SPEC) -> Any:
    sides = []
    for name, columns in (("old", old), ("new", new)):
        path = folder / f"{name}.parquet"
        pq.write_table(pa.table({"id": IDS, **columns}), path)
        sides.append({"t.parquet": path})
    before, after = sides
    return find_changed_features(before, after, spec, "t.parquet").to_pylist()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (pa.array(TENTHS, pa.float32()), pa.array(TENTHS, pa.float64())),
        (pa.array(TENTHS, pa.float64()), pa.array(TENTHS, pa.float32())),
        (NOT_A_NUMBER, NOT_A_NUMBER),
        (NOT_A_NUMBER, NOT_A_NUMBER.cast(pa.float32())),
        (pa.array([1, 2, 3], pa.int8()), pa.array([1.0, 2.0, 3.0])),
        (COLOURS, RECODED),
        (COLOURS.dictionary_encode(), RECODED),
        (pa.array([[1], [2], None]), pa.array([[1], [2], None])),
    ],
)
def test_another_width_or_coding_is_no_change(tmp_path: Path, old: Any, new: Any) -> None:
    assert found(tmp_path, {"x": old}, {"x": new}) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([1.0, 2.0, 3.0], [1.0, np.nextafter(2.0, 3), 3.0]),
        ([1.0, math.nan, 3.0], [1.0, None, 3.0]),
        ([1.0, None, 3.0], [1.0, 2.0, 3.0]),
        (["red", "green", "red"], ["red", "blue", "red"]),
        ([[1], [2], [3]], [[1], [2, 3], [3]]),
        (["1", "2", "3"], [1, 4, 3]),
    ],
)
def test_another_value_is_a_change(tmp_path: Path, old: Any, new: Any) -> None:
    assert found(tmp_path, {"x": pa.array(old)}, {"x": pa.array(new)}) == ["b"]


def test_an_order_of_rows_and_columns_is_none(tmp_path: Path) -> None:
    old = {"x": [1, 2, 3], "z": [4, 5, 6]}
    new = {"id": ["c", "a", "b"], "z": [6, 4, 5], "x": [3, 1, 2]}
    assert found(tmp_path, old, new) == []
    assert found(tmp_path, old, {**new, "x": [3, 1, 7]}) == ["b"]


def test_columns_that_were_added_or_removed_change_no_row(tmp_path: Path) -> None:
    assert found(tmp_path, {"x": [1, 2, 3], "w": [1] * 3}, {"x": [1, 2, 3], "z": [2] * 3}) == []
    assert found(tmp_path, {"w": [1, 2, 3]}, {"z": [1, 2, 3]}) == []


def test_ids_and_targets_are_no_features(tmp_path: Path) -> None:
    old, new = {"x": [1, 2, 3], "y": [0, 0, 0]}, {"x": [1, 2, 3], "y": [1, 0, 0]}
    assert found(tmp_path, old, new) == []
    assert found(tmp_path, old, new, TableSpec(id="id", split="test")) == ["a"]


def test_rows_of_one_side_did_not_change(tmp_path: Path) -> None:
    old, new = {"x": [1, 2, 3]}, {"id": ["c", "d", "a"], "x": [3, 4, 9]}
    assert found(tmp_path, old, new) == ["a"]


@pytest.mark.parametrize("id_type", [pa.int8(), pa.int64(), pa.float64()])
def test_ids_pair_whatever_their_width(tmp_path: Path, id_type: Any) -> None:
    old = {"id": pa.array([1, 2, 3], pa.int32()), "x": [1, 2, 3]}
    new = {"id": pa.array([3, 2, 1], id_type), "x": [3, 9, 1]}
    assert found(tmp_path, old, new) == [2]


def test_no_rows_did_not_change(tmp_path: Path) -> None:
    empty = {"id": pa.array([], pa.string()), "x": pa.array([], pa.int64())}
    assert found(tmp_path, empty, empty) == []
