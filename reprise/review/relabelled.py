"""Finds the rows whose label changed: two models were judged by different truths on them."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reprise.review.declared import PredictionsSpec
from reprise.review.stats.text_columns import is_readable
from reprise.text.values import percent

MAX_CHANGED = 0.2  # share of the paired rows; with more it is another test set


@dataclass(frozen=True)
class Overlap:
    """Holds which rows both sides recorded predictions of.

    paired: how many; relabelled: the ids of those with another label, ids: of all of them, as
    pyarrow arrays.
    """

    paired: int
    relabelled: Any
    ids: Any

    def paired_among(self, ids: Any) -> Any:
        """Return those of the ids that are of paired rows."""
        own, others = _ids_of_one_type(self.ids, ids)
        return self.ids.filter(pc.is_in(own, value_set=others))

    def left_out(self, features: Any) -> Any:
        """Join the ids of rows with another label and those with other features."""
        own, others = _ids_of_one_type(self.relabelled, features)
        return pc.unique(pa.concat_arrays([own, others]))


def find_overlap(old: pa.Table, new: pa.Table, spec: PredictionsSpec) -> Overlap:
    """Find the rows of both sides, and those whose label changed: none where a side has no labels.

    old, new: as either side recorded them.
    """
    nothing = pa.array([], pa.string())
    common = _comparable_columns(old) & _comparable_columns(new)
    if spec.id not in common:
        return Overlap(len(new), nothing, nothing)  # `compare_metrics` says what is wrong
    old_ids, new_ids = _ids_of_one_type(old[spec.id], new[spec.id])
    positions = pc.index_in(new_ids, value_set=old_ids)
    paired = len(positions) - positions.null_count
    ids = new_ids.filter(pc.is_valid(positions)).combine_chunks()
    if spec.target not in common:
        return Overlap(paired, ids.slice(0, 0), ids)
    before, after = old[spec.target], new[spec.target]
    if pa.float32() in (before.type, after.type):  # 0.1 of 32 bits is not 0.1 of 64
        before, after = _narrowed(before), _narrowed(after)
    before, after = _labels(before).take(positions), _labels(after)
    if before.type != after.type:
        before, after = before.cast(pa.string()), after.cast(pa.string())
    changed = pc.fill_null(pc.not_equal(before, after), False)
    if pa.types.is_floating(before.type):  # to Arrow, NaN is another number than NaN
        both_nan = pc.fill_null(pc.and_(pc.is_nan(before), pc.is_nan(after)), False)
        changed = pc.and_not(changed, both_nan)
    return Overlap(paired, new_ids.filter(changed).combine_chunks(), ids)


def why_refused(what: str, changed: int, paired: int) -> str | None:
    """Say why no metric has a verdict; None if few enough of the paired rows changed.

    what: labels or features.
    """
    if changed <= MAX_CHANGED * paired:
        return None
    return (
        f"the {what} differ too much: {changed:,} of {paired:,} paired rows have another one; "
        f"at most {percent(MAX_CHANGED)} may"
    )


def _comparable_columns(table: pa.Table) -> set[str]:
    return {field.name for field in table.schema if is_readable(field.type)}


def _narrowed(column: Any) -> Any:
    """Return floats as float32; other columns as they are."""
    if pa.types.is_floating(column.type):
        return column.cast(pa.float32(), safe=False)
    return column


def _labels(column: Any) -> Any:
    """Return labels that can be compared: numbers as such, whatever their width, others as text."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column.cast(pa.float64(), safe=False)
    return column.cast(pa.string())


def is_among(table: pa.Table, spec: PredictionsSpec, ids: Any) -> Any:
    """Tell for each row of the table whether its id is among the ids, [rows]."""
    own, ids = _ids_of_one_type(table[spec.id], ids)
    return pc.is_in(own, value_set=ids)


def _ids_of_one_type(first: Any, second: Any) -> tuple[Any, Any]:
    first, second = comparable_ids(first), comparable_ids(second)
    if first.type != second.type:
        return first.cast(pa.string()), second.cast(pa.string())
    return first, second


def comparable_ids(ids: Any) -> Any:
    """Cast ids to one type on both sides, whatever their width, as `compare_metrics` pairs them."""
    if pa.types.is_integer(ids.type) and ids.type != pa.uint64():
        return ids.cast(pa.int64())
    return ids.cast(pa.string())
