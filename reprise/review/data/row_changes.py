"""Counts the rows that were added, removed and changed between the views `old` and `new`."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from reprise.errors import PipelineError
from reprise.review.data.database import fetch_rows, identifier

COLUMNS_A_QUERY = 40


@dataclass(frozen=True)
class RowChanges:
    """Counts rows. changed: those of one id and other content; None where rows have no id."""

    added: int
    removed: int
    changed: int | None


def create_added_view(con: duckdb.DuckDBPyConnection, id_column: str | None) -> None:
    """Create the views `added` and `added_numbered`: rows of ids that only `new` has.

    Without ids they have no rows: of equal rows nobody knows which one was added.
    """
    where = "false"
    if id_column is not None:
        key = identifier(id_column)
        where = f"{key} NOT IN (SELECT {key} FROM old)"
    for suffix in ("", "_numbered"):
        con.execute(f"CREATE VIEW added{suffix} AS SELECT * FROM new{suffix} WHERE {where}")


def count_changed_values(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], id_column: str
) -> dict[str, int]:
    """Count for each column the rows of one id that have another value of it."""
    key = identifier(id_column)
    source = f"old JOIN new ON old.{key} = new.{key}"
    counted: dict[str, int] = {}
    for start in range(0, len(columns), COLUMNS_A_QUERY):
        counts = []
        batch = columns[start : start + COLUMNS_A_QUERY]
        for column in batch:
            name = identifier(column)
            counts.append(f"count(*) FILTER (old.{name} IS DISTINCT FROM new.{name})")
        values = fetch_rows(con, f"SELECT {', '.join(counts)} FROM {source}")[0]
        counted |= dict(zip(batch, map(int, values), strict=True))
    return counted


def count_row_changes(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], id_column: str | None, name: str
) -> RowChanges:
    """Count rows by id, or without one by content: a hash of the columns that both versions have.

    name: of the table, for errors. Raises PipelineError for ids that are missing or not unique.
    """
    if id_column not in (None, *columns):
        raise PipelineError(
            f"{name}: found no column {id_column!r} in one version; "
            "expected the id of each row in both"
        )
    keys = _keys_query(columns, id_column)
    added, removed, changed, most, without_id = fetch_rows(
        con,
        "SELECT coalesce(sum(greatest(n - o, 0)), 0), coalesce(sum(greatest(o - n, 0)), 0), "
        "count(*) FILTER (o = 1 AND n = 1 AND differs <> 0), coalesce(max(greatest(o, n)), 0), "
        f"coalesce(sum(o + n) FILTER (k IS NULL), 0) FROM ({keys})",
    )[0]
    if id_column is None:
        return RowChanges(int(added), int(removed), None)
    if without_id:
        raise PipelineError(
            f"{name}: {id_column}: found {without_id} rows without a value; "
            "expected the id of each row"
        )
    if most > 1:
        repeated, count = fetch_rows(
            con,
            f"SELECT k, greatest(o, n) FROM ({keys}) WHERE greatest(o, n) = {most} "
            "ORDER BY k LIMIT 1",
        )[0]
        raise PipelineError(
            f"{name}: {id_column}: found {repeated!r} in {count} rows; expected each id once"
        )
    return RowChanges(int(added), int(removed), int(changed))


def _keys_query(columns: Sequence[str], id_column: str | None) -> str:
    """Return SQL for each key k: its rows in old (o) and new (n), and whether these differ."""
    content = ", ".join(identifier(column) for column in columns if column != id_column)
    digest = "0::UBIGINT"
    if content:
        digest = f"hash({content})"
    key = digest
    if id_column is not None:
        key = identifier(id_column)
    both = (
        f"SELECT {key} AS k, {digest} AS h, 0 AS side FROM old "
        f"UNION ALL SELECT {key} AS k, {digest} AS h, 1 AS side FROM new"
    )
    # A group for each key, and no join: rows that share a key must not multiply.
    return (
        "SELECT k, count(*) FILTER (side = 0) AS o, count(*) FILTER (side = 1) AS n, "
        f"bit_xor(h) AS differs FROM ({both}) GROUP BY k"
    )
