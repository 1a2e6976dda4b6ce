"""Turns the tables of predictions of two revisions into arrays, and checks them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprise.errors import PipelineError
from reprise.review.declared import PredictionsSpec
from reprise.review.stats.estimate import Array
from reprise.review.stats.text_columns import is_readable

Tables = Sequence[pa.Table]  # one for each training seed
NamedTables = Sequence[tuple[str, pa.Table]]  # with the side of each: old or new
NUMERIC = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_null,
)
TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


@dataclass(frozen=True)
class PredictionArrays:
    """Holds one revision's predictions: the rows that every seed's table has.

    ids: pyarrow array, [rows]; positions: where these are in each table, [seeds] arrays of [rows];
    values: [seeds, rows] of each column, NaN where a table has none; groups: pyarrow array, [rows],
    or None; longest: the rows of the longest table.
    """

    ids: Any
    positions: Sequence[Array]
    values: dict[str, Array]
    groups: Any | None
    longest: int

    @property
    def dropped_rows(self) -> bool:
        """Say whether some seed's table has rows that another lacks."""
        return len(self.ids) < self.longest


def load_arrays(
    old: Tables, new: Tables, spec: PredictionsSpec
) -> tuple[PredictionArrays, PredictionArrays]:
    """Return the arrays of the old and the new predictions.

    A metric's column may be missing from one side: that side's `values` lack it then. Raises
    PipelineError when a column is missing or of a wrong type, or an id is empty or there twice.
    """
    named_tables = []
    for table in old:
        named_tables.append(("old", table))
    for table in new:
        named_tables.append(("new", table))
    _require_key_columns(named_tables, spec)
    _require_slices(new, spec)
    _require_metric_columns(named_tables, new[0], spec)
    id_type = _common_id_type(named_tables, spec.id)
    return _load("old", old, spec, id_type), _load("new", new, spec, id_type)


def mean_of_seeds(arrays: PredictionArrays) -> PredictionArrays:
    """Return the arrays with the mean over seeds in each row: values [1, rows]."""
    values = {}
    for column, by_seed in arrays.values.items():
        values[column] = by_seed.mean(axis=0, keepdims=True)
    return replace(arrays, values=values)


def _require_key_columns(named_tables: NamedTables, spec: PredictionsSpec) -> None:
    """Check that all tables have the columns of ids and groups."""
    for column in (spec.id, spec.group):
        if column is None:
            continue
        for side, table in named_tables:
            _require_column(side, table, column)


def _require_slices(new: Tables, spec: PredictionsSpec) -> None:
    """Check the columns of slices, on the new side: the old one may be of before."""
    for table in new:
        for column in spec.slices:
            _require_column("new", table, column)
            if not is_readable(table[column].type):
                raise _wrong_type("new", table[column], "slice", column)


def _require_metric_columns(
    named_tables: NamedTables, first_new: pa.Table, spec: PredictionsSpec
) -> None:
    """Check that one table at least has each metric's column."""
    for metric in spec.metrics.values():
        if not any(metric.column in table.column_names for _, table in named_tables):
            _require_column("new", first_new, metric.column)


def _require_column(side: str, table: pa.Table, column: str) -> None:
    if column not in table.column_names:
        raise PipelineError(
            f"{side} predictions: found no column {column!r}; "
            f"expected it beside {table.column_names}"
        )


def _wrong_type(side: str, values: Any, kind: str, column: str) -> PipelineError:
    return PipelineError(
        f"{side} predictions: {kind} column {column!r}: found {values.type}; "
        "expected text, numbers or dates"
    )


def _common_id_type(named_tables: NamedTables, column: str) -> Any:
    """Return one type for the ids of all tables.

    Whole numbers are the same ids whatever their width, and so is text.
    """
    found = _id_types(named_tables, column)
    types = {id_type for _, id_type in found}
    if all(map(_is_text, types)):
        return pa.large_string()
    if len(types) == 1:
        (only_type,) = types
        if pa.types.is_integer(only_type) or pa.types.is_temporal(only_type):
            return only_type
    if all(map(pa.types.is_integer, types)):
        return pa.int64()
    described = " and ".join(f"{id_type} in {side}" for side, id_type in found)
    raise PipelineError(
        f"predictions: id column {column!r}: found {described}; "
        "expected whole numbers, text or dates in both"
    )


def _id_types(named_tables: NamedTables, column: str) -> list[tuple[str, Any]]:
    """List the types of the id column, with the side, each once."""
    found = []
    for side, table in named_tables:
        arrow_type = table[column].type
        if pa.types.is_dictionary(arrow_type):
            arrow_type = arrow_type.value_type
        found.append((side, arrow_type))
    return list(dict.fromkeys(found))


def _is_text(arrow_type: Any) -> bool:
    return any(is_kind(arrow_type) for is_kind in TEXT)


def _load(side: str, tables: Tables, spec: PredictionsSpec, id_type: Any) -> PredictionArrays:
    """Read one side's tables. side: old or new, for errors; id_type: of the ids of both sides."""
    ids = [_read_ids(side, table[spec.id], spec.id, id_type) for table in tables]
    positions = _positions_of_common_ids(ids)
    in_first = pa.array(positions[0])
    values = {}
    for metric in spec.metrics.values():
        column = metric.column
        if all(column in table.column_names for table in tables):
            values[column] = _stack(side, tables, column, positions)
    groups = None
    if spec.group:
        groups = _read_groups(side, tables[0][spec.group], spec.group).take(in_first)
    longest = max(map(len, ids))
    return PredictionArrays(ids[0].take(in_first), positions, values, groups, longest)


def _positions_of_common_ids(ids: Sequence[Any]) -> list[Array]:
    """Return for each table the positions of the ids that all have, in the order of the first."""
    first, *others = ids
    matches = [pc.index_in(first, value_set=other) for other in others]
    in_all = np.ones(len(first), bool)
    for match in matches:
        in_all &= match.is_valid().to_numpy(zero_copy_only=False)
    positions = [np.flatnonzero(in_all)]
    for match in matches:
        positions.append(match.take(pa.array(positions[0])).to_numpy())
    return positions


def _stack(side: str, tables: Tables, column: str, positions: Sequence[Array]) -> Array:
    """Return the column of all tables as [seeds, rows]."""
    rows = []
    for table, table_positions in zip(tables, positions, strict=True):
        rows.append(read_numbers(side, table, column)[table_positions])
    return np.stack(rows)


def _read_ids(side: str, values: Any, column: str, id_type: Any) -> Any:
    """Return the ids as one pyarrow array of the type, [rows]; each is there once."""
    where = f"{side} predictions: id column {column!r}"
    try:
        chunks = [chunk.cast(id_type) for chunk in values.chunks]
    except pa.ArrowInvalid as e:
        raise PipelineError(f"{where}: {e}; expected 64-bit whole numbers") from None
    ids = pa.concat_arrays(chunks or [pa.array([], id_type)])
    if ids.null_count:
        raise PipelineError(f"{where}: found {ids.null_count} empty; expected none")
    if pc.count_distinct(ids).as_py() < len(ids):
        counts = pc.value_counts(ids)
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))[0].as_py()
        raise PipelineError(
            f"{where}: found {repeated['values']!r} in {repeated['counts']} rows; "
            "expected each id once"
        )
    return ids


def _read_groups(side: str, values: Any, column: str) -> Any:
    """Return the groups as one pyarrow array, [rows]; none is empty."""
    if pa.types.is_nested(values.type):
        raise _wrong_type(side, values, "group", column)
    if values.null_count:
        raise PipelineError(
            f"{side} predictions: group column {column!r}: found {values.null_count} empty; "
            "expected none"
        )
    groups = values.combine_chunks()
    if pa.types.is_dictionary(groups.type):
        return groups.dictionary_decode()
    return groups


def read_numbers(side: str, table: pa.Table, column: str) -> Array:
    """Return the column as float64, [rows], NaN where it is empty."""
    arrow_type = table[column].type
    if not any(is_kind(arrow_type) for is_kind in NUMERIC):
        raise PipelineError(
            f"{side} predictions: column {column!r}: found {arrow_type}; expected numbers"
        )
    numbers: Array = table[column].cast(pa.float64(), safe=False).to_numpy()
    return numbers
