"""What differs between two versions of a table: rows, columns, classes and distributions, out of core by DuckDB."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from reprise.errors import PipelineError
from reprise.review.data.column_types import common_type
from reprise.review.data.columns import ColumnDiff, column_diffs, value_counts
from reprise.review.data.tables import Files, identifier, opened, readable, rows, view
from reprise.review.declared import TableSpec

CLASSES = 20  # that are listed


@dataclass(frozen=True)
class TableDiff:
    """Counts of rows. changed: of the same id; None without ids, when whole rows are counted as added and removed.

    columns_retyped: (name, old type, new type); classes: (value, old rows, new rows), the most common first.
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
    columns: list[ColumnDiff]


def diff(old: Files, new: Files, spec: TableSpec, name: str) -> TableDiff:
    """`name`: of the table, as the user knows it. The order of rows and files is no difference.

    Raises PipelineError for tables that can't be read, and ids that are missing or not unique.
    """
    with opened() as con:
        types = [
            view(con, f"{title}_raw", files, name) for title, files in (("old", old), ("new", new))
        ]
        common = [c for c in types[0] if c in types[1]]
        if not common:
            raise PipelineError(
                f"{name}: found no column that both versions have; expected one at least"
            )
        with readable(name, old, new):
            as_one = _as_one(con, types, common)
            counts = [
                int(rows(con, f"SELECT count(*) FROM {side}")[0][0]) for side in ("old", "new")
            ]
            added, removed, changed = _rows(con, common, spec.id, name)
            return TableDiff(
                rows_old=counts[0],
                rows_new=counts[1],
                added=added,
                removed=removed,
                changed=changed,
                id=spec.id,
                columns_added=[c for c in types[1] if c not in types[0]],
                columns_removed=[c for c in types[0] if c not in types[1]],
                columns_retyped=[
                    (c, types[0][c], types[1][c]) for c in common if types[0][c] != types[1][c]
                ],
                classes=_classes(con, spec.target) if spec.target in common else [],
                columns=column_diffs(con, {c: t for c, t in as_one.items() if c != spec.id}),
            )


def _as_one(
    con: duckdb.DuckDBPyConnection, types: Sequence[dict[str, str]], common: Sequence[str]
) -> dict[str, str]:
    """Makes the views `old` and `new`, in which common columns have one type; returns these types.

    A column without a value has the type of the other side, in `types` too: CSV files say nothing of it.
    """
    differ = [c for c in common if types[0][c] != types[1][c]]
    for i, side in enumerate(("old", "new")):
        if differ:
            asked = ", ".join(f"count({identifier(c)})" for c in differ)
            for c, there in zip(
                differ, rows(con, f"SELECT {asked} FROM {side}_raw")[0], strict=True
            ):
                types[i][c] = types[i][c] if there else types[1 - i][c]
    as_one = {c: common_type(types[0][c], types[1][c]) for c in common}
    casts = ", ".join(
        f"TRY_CAST({identifier(c)} AS {as_one[c]}) AS {identifier(c)}" for c in differ
    )
    for side in ("old", "new"):
        for form in ("", "_numbered"):
            star = f"* REPLACE ({casts})" if differ else "*"
            con.execute(f"CREATE VIEW {side}{form} AS SELECT {star} FROM {side}_raw{form}")
    return as_one


def _rows(
    con: duckdb.DuckDBPyConnection, common: Sequence[str], id_: str | None, name: str
) -> tuple[int, int, int | None]:
    """Added, removed, changed: rows counted by id, or else by content; content is a hash of the common columns."""
    if id_ is not None and id_ not in common:
        raise PipelineError(
            f"{name}: found no column {id_!r} in one version; expected the id of each row in both"
        )
    values = ", ".join(identifier(c) for c in common if c != id_)
    digest = f"hash({values})" if values else "0::UBIGINT"
    key = digest if id_ is None else identifier(id_)
    sides = " UNION ALL ".join(
        f"SELECT {key} AS k, {digest} AS h, {i} AS side FROM {side}"
        for i, side in enumerate(("old", "new"))
    )
    # A group for each key, and no join: rows that share a key must not multiply.
    grouped = (
        "SELECT k, count(*) FILTER (side = 0) AS o, count(*) FILTER (side = 1) AS n, bit_xor(h) AS differs "
        f"FROM ({sides}) GROUP BY k"
    )
    added, removed, changed, most, none = rows(
        con,
        "SELECT coalesce(sum(greatest(n - o, 0)), 0), coalesce(sum(greatest(o - n, 0)), 0), "
        "count(*) FILTER (o = 1 AND n = 1 AND differs <> 0), coalesce(max(greatest(o, n)), 0), "
        f"coalesce(sum(o + n) FILTER (k IS NULL), 0) FROM ({grouped})",
    )[0]
    if id_ is None:
        return int(added), int(removed), None
    if none:
        raise PipelineError(
            f"{name}: {id_}: found {none} rows without a value; expected the id of each row"
        )
    if most > 1:
        worst = f"SELECT k, greatest(o, n) FROM ({grouped}) WHERE greatest(o, n) = {most} ORDER BY k LIMIT 1"
        found = rows(con, worst)[0]
        raise PipelineError(
            f"{name}: {id_}: found {found[0]!r} in {found[1]} rows; expected each id once"
        )
    return int(added), int(removed), int(changed)


def _classes(con: duckdb.DuckDBPyConnection, target: str | None) -> list[tuple[Any, int, int]]:
    """None for a target of more values than CLASSES: a number to regress."""
    assert target is not None
    found = value_counts(con, target, f"count(*) DESC, v LIMIT {CLASSES + 1}")
    return [(v, int(a), int(b)) for v, a, b in found] if len(found) <= CLASSES else []
