"""Compares two versions of a table: rows, columns, classes and distributions.

DuckDB does it out of core.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from reprise.errors import PipelineError
from reprise.review.data.column_queries import count_rows, count_values
from reprise.review.data.column_types import ColumnKind, column_kind, common_type
from reprise.review.data.columns import MAX_CATEGORIES, ColumnDiff, diff_columns
from reprise.review.data.database import (
    Files,
    fetch_rows,
    identifier,
    open_database,
    readable_errors,
)
from reprise.review.data.drift import value_counts_p
from reprise.review.data.row_changes import (
    RowChanges,
    count_changed_values,
    count_row_changes,
    create_added_view,
)
from reprise.review.data.tables import create_view
from reprise.review.declared import TableSpec

MAX_NUMBERS = 20  # a target of more numbers is to regress
Types = dict[str, str]  # DuckDB's type of each column


@dataclass(frozen=True)
class TableDiff:
    """Holds what differs between two versions of a table.

    added, removed, changed: counts of rows; changed ones have the same id; None without ids, when
    whole rows are counted as added and removed. columns_retyped: (name, old type, new type);
    classes: (value of the target, rows of old, rows of new), the most common first; classes_p: the
    p-value of their shares being those of before, of the added rows where there are ids.
    """

    rows_old: int
    rows_new: int
    added: int
    removed: int
    changed: int | None
    id: str | None
    columns_added: list[str]
    columns_removed: list[str]
    columns_retyped: list[tuple[str, str, str]]
    classes: list[tuple[Any, int, int]]
    classes_p: float | None
    columns: list[ColumnDiff]


def diff_tables(old: Files, new: Files, spec: TableSpec, name: str) -> TableDiff:
    """Compare two versions of a table. The order of rows and files is no difference.

    name: of the table, as the user knows it. Raises PipelineError for tables that can't be read or
    have no column in common, and for ids that are missing or not unique.
    """
    with open_database() as con:
        old_types = create_view(con, "old_raw", old, name)
        new_types = create_view(con, "new_raw", new, name)
        common = [column for column in old_types if column in new_types]
        if not common:
            raise PipelineError(
                f"{name}: found no column that both versions have; expected one at least"
            )
        with readable_errors(name, old, new):
            return _diff_views(con, old_types, new_types, common, spec, name)


def _diff_views(
    con: duckdb.DuckDBPyConnection,
    old_types: Types,
    new_types: Types,
    common: Sequence[str],
    spec: TableSpec,
    name: str,
) -> TableDiff:
    """Compare the views `old_raw` and `new_raw` of the connection. common: columns of both."""
    common_types = _create_comparable_views(con, old_types, new_types, common)
    retyped = []
    for column in common:
        if old_types[column] != new_types[column]:
            retyped.append((column, old_types[column], new_types[column]))
    rows = count_row_changes(con, common, spec.id, name)
    create_added_view(con, spec.id)
    classes = []
    classes_p = None
    if spec.target is not None and spec.target in common:
        classes = _count_classes(con, spec.target, common_types[spec.target], "new")
        classes_p = _test_classes(con, spec.target, classes, rows)
    described = {column: type_ for column, type_ in common_types.items() if column != spec.id}
    columns = diff_columns(con, described)
    if rows.changed and spec.id is not None:
        changed = count_changed_values(con, list(described), spec.id)
        columns = [replace(column, changed=changed[column.name]) for column in columns]
    return TableDiff(
        rows_old=count_rows(con, "old"),
        rows_new=count_rows(con, "new"),
        added=rows.added,
        removed=rows.removed,
        changed=rows.changed,
        id=spec.id,
        columns_added=[column for column in new_types if column not in old_types],
        columns_removed=[column for column in old_types if column not in new_types],
        columns_retyped=retyped,
        classes=classes,
        classes_p=classes_p,
        columns=columns,
    )


def _create_comparable_views(
    con: duckdb.DuckDBPyConnection, old_types: Types, new_types: Types, common: Sequence[str]
) -> Types:
    """Create the views `old` and `new`, in which common columns have one type; return these types.

    In `old_types` and `new_types`, a column without a value gets the type of the other side: a CSV
    file tells nothing of it.
    """
    differing = [column for column in common if old_types[column] != new_types[column]]
    for column in _empty_columns(con, "old_raw", differing):
        old_types[column] = new_types[column]
    for column in _empty_columns(con, "new_raw", differing):
        new_types[column] = old_types[column]

    common_types = {column: common_type(old_types[column], new_types[column]) for column in common}
    selection = "*"
    if differing:
        casts = []
        for column in differing:
            quoted = identifier(column)
            casts.append(f"TRY_CAST({quoted} AS {common_types[column]}) AS {quoted}")
        selection = f"* REPLACE ({', '.join(casts)})"
    for side in ("old", "new"):
        con.execute(f"CREATE VIEW {side} AS SELECT {selection} FROM {side}_raw")
        con.execute(f"CREATE VIEW {side}_numbered AS SELECT {selection} FROM {side}_raw_numbered")
    return common_types


def _empty_columns(con: duckdb.DuckDBPyConnection, view: str, columns: Sequence[str]) -> list[str]:
    """Return those of the columns that have no value in any row."""
    if not columns:
        return []
    counts = ", ".join(f"count({identifier(column)})" for column in columns)
    values = fetch_rows(con, f"SELECT {counts} FROM {view}")[0]
    return [column for column, count in zip(columns, values, strict=True) if not count]


def _count_classes(
    con: duckdb.DuckDBPyConnection, target: str, type_: str, view: str
) -> list[tuple[Any, int, int]]:
    """Count the rows of each value of the target; nothing if these are too many to be classes."""
    most = MAX_NUMBERS
    if column_kind(type_) is ColumnKind.CATEGORY:
        most = MAX_CATEGORIES
    counts = count_values(con, target, view, f"count(*) DESC, v LIMIT {most + 1}")
    if len(counts) > most:
        return []
    return [(value, int(old), int(new)) for value, old, new in counts]


def _test_classes(
    con: duckdb.DuckDBPyConnection,
    target: str,
    classes: Sequence[tuple[Any, int, int]],
    rows: RowChanges,
) -> float | None:
    """Return the p-value of the classes having their old shares; None without classes.

    Rows that both versions have are no draw: where ids tell the added ones, these are tested.
    """
    if not classes:
        return None
    counts = classes
    if rows.changed is not None and rows.added:
        counts = count_values(con, target, "added", "v")
    _, old, new = zip(*counts, strict=True)
    return value_counts_p(old, new)
