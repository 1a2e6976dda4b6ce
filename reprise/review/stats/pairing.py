"""Two sides' tables of predictions as arrays whose rows pair by id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprise.errors import PipelineError
from reprise.review.declared import PredictionsSpec

Array = np.ndarray


@dataclass(frozen=True)
class Side:
    """ids: of the rows that every table of the side has; values: [tables, rows] by column, NaN where there is none."""

    ids: Any
    values: dict[str, Array]
    groups: Any | None
    rows: int  # of the longest table


@dataclass(frozen=True)
class Rows:
    """Positions in a side's arrays: of pair i in old[i] and new[i], and of the rows that have no pair."""

    old: Array
    new: Array
    only_old: Array
    only_new: Array


def sides(
    old: Sequence[pa.Table], new: Sequence[pa.Table], spec: PredictionsSpec
) -> tuple[Side, Side]:
    """PipelineError when a column is missing or of a wrong type, or an id is missing or there twice.

    A metric's column may be missing from one side: that side's `values` lack it then.
    """
    names = {"old": old, "new": new}
    for column in (spec.id, *([spec.group] if spec.group else [])):
        for name, tables in names.items():
            for table in tables:
                _must_have(name, table, column)
    for metric in spec.metrics.values():
        if not any(metric.column in t.column_names for t in (*old, *new)):
            _must_have("new", new[0], metric.column)
    kind = _id_type(names, spec.id)
    return _side("old", old, spec, kind), _side("new", new, spec, kind)


def match(old: Side, new: Side) -> Rows:
    found = pc.index_in(old.ids, value_set=new.ids)
    paired = found.is_valid().to_numpy(zero_copy_only=False)
    at = found.drop_null().to_numpy()
    only_new = np.ones(len(new.ids), bool)
    only_new[at] = False
    return Rows(np.flatnonzero(paired), at, np.flatnonzero(~paired), np.flatnonzero(only_new))


def codes(groups: Any | None, rows: Array) -> Array | None:
    """A number for each row: rows of one group have the same one, and all numbers up to the highest are in use."""
    if groups is None:
        return None
    codes: Array = pc.dictionary_encode(groups.take(pa.array(rows))).indices.to_numpy()
    return codes


def _must_have(name: str, table: pa.Table, column: str) -> None:
    if column not in table.column_names:
        raise PipelineError(
            f"{name} predictions: found no column {column!r}; expected it beside {table.column_names}"
        )


def _id_type(names: dict[str, Sequence[pa.Table]], column: str) -> Any:
    """One type for the ids of all tables. Different widths of whole numbers or text are the same ids."""
    found = dict.fromkeys(
        (name, _decoded(t[column].type)) for name, tables in names.items() for t in tables
    )
    types = {kind for _, kind in found}
    if all(map(_is_text, types)):
        return pa.large_string()
    if len(types) == 1 and (pa.types.is_integer(kind := types.pop()) or pa.types.is_temporal(kind)):
        return kind
    if types and all(map(pa.types.is_integer, types)):
        return pa.int64()
    seen = " and ".join(f"{kind} in {name}" for name, kind in found)
    raise PipelineError(
        f"predictions: id column {column!r}: found {seen}; expected whole numbers, text or dates in both"
    )


def _decoded(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _side(name: str, tables: Sequence[pa.Table], spec: PredictionsSpec, kind: Any) -> Side:
    ids = [_ids(name, t[spec.id], spec.id, kind) for t in tables]
    places = [pc.index_in(ids[0], value_set=other) for other in ids[1:]]
    everywhere = np.ones(len(ids[0]), bool)
    for place in places:
        everywhere &= place.is_valid().to_numpy(zero_copy_only=False)
    first = np.flatnonzero(everywhere)
    at = [first, *(place.take(pa.array(first)).to_numpy() for place in places)]
    values = {}
    for column in {m.column for m in spec.metrics.values()}:
        if all(column in t.column_names for t in tables):
            values[column] = np.stack(
                [_numbers(name, t, column)[i] for t, i in zip(tables, at, strict=True)]
            )
    groups = (
        _groups(name, tables[0][spec.group], spec.group).take(pa.array(first))
        if spec.group
        else None
    )
    return Side(ids[0].take(pa.array(first)), values, groups, max(map(len, ids)))


def _ids(name: str, column: Any, title: str, kind: Any) -> Any:
    try:
        ids = pa.concat_arrays(
            [chunk.cast(kind) for chunk in column.chunks] or [pa.array([], kind)]
        )
    except pa.ArrowInvalid as e:
        raise PipelineError(
            f"{name} predictions: id column {title!r}: {e}; expected 64-bit whole numbers"
        ) from None
    if ids.null_count:
        raise PipelineError(
            f"{name} predictions: id column {title!r}: found {ids.null_count} empty; expected none"
        )
    if pc.count_distinct(ids).as_py() < len(ids):
        counts = pc.value_counts(ids)
        twice = counts.filter(pc.greater(counts.field("counts"), 1))[0].as_py()
        found = f"{twice['values']!r} in {twice['counts']} rows"
        raise PipelineError(
            f"{name} predictions: id column {title!r}: found {found}; expected each id once"
        )
    return ids


def _groups(name: str, column: Any, title: str) -> Any:
    if column.null_count:
        raise PipelineError(
            f"{name} predictions: group column {title!r}: found {column.null_count} empty; expected none"
        )
    groups = column.combine_chunks()
    return groups.dictionary_decode() if pa.types.is_dictionary(groups.type) else groups


def _numbers(name: str, table: pa.Table, title: str) -> Array:
    kind = table[title].type
    tests = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    if not any(test(kind) for test in tests):
        raise PipelineError(f"{name} predictions: column {title!r}: found {kind}; expected numbers")
    numbers: Array = table[title].cast(pa.float64(), safe=False).to_numpy()
    return numbers
