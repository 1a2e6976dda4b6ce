"""Measures prepared tables with DuckDB: what a reference holds, in passes of flat memory."""

import math
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from src.reference.columns import EVERYWHERE, AnyColumn, Category, Number, Range, Time
from src.reference.model import Reference
from src.schema import SPLITS, Schema
from src.tables.connection import readable
from src.tables.sql import TIMES, ident, is_a, parquet, text, time

DECILES = [i / 10 for i in range(1, 10)]
SAMPLE = 100_000  # rows that deciles are taken of
AT_ONCE = 50  # columns of a query
Connection = duckdb.DuckDBPyConnection
Edges = Mapping[str, list[float]]
Ranges = Mapping[str, Range]


class Measured(NamedTuple):
    """Names a column, and says of which kind it is: number, time or category."""

    name: str
    kind: str


def open_rows(con: Connection, prepared: Path) -> None:
    """Make the view `rows` of all splits."""
    files = parquet(*[prepared / f"{split}.parquet" for split in SPLITS])
    with readable(prepared):
        con.execute(f"CREATE VIEW rows AS SELECT * FROM {files}")


def measure(con: Connection, schema: Schema, edges: Edges, ranges: Ranges) -> Reference:
    """Measure the view `rows`.

    edges: by column of numbers, where to count rows. ranges: by column, beyond which to count them.
    """
    rows = schema.rows.train + schema.rows.val + schema.rows.test
    described: dict[str, AnyColumn] = {}
    for columns in batches(columns_of(schema)):
        selected = [struct(column, edges, ranges) for column in columns]
        for column, found in zip(columns, one_row(con, ", ".join(selected)), strict=True):
            described[column.name] = describe(column, rows, edges, found)
    ids = "(SELECT count(*) - 1 AS more FROM rows GROUP BY id)"
    (duplicates,) = one_row(con, "CAST(coalesce(sum(more), 0) AS BIGINT)", ids)
    return Reference(
        task=schema.task,
        target=schema.target,
        id=schema.id,
        rows=rows,
        without_target=schema.rows.without_target,
        duplicates=duplicates,
        ignored=sorted(schema.ignored),
        columns={name: described[name] for name in sorted(described)},
    )


def deciles(con: Connection, schema: Schema) -> Edges:
    """Find the deciles of each column of numbers, of some 100,000 rows drawn by their id.

    They are where `measure` counts rows, so that a sample does: its counts are of all rows. Deciles
    of all rows would take the memory of all values.
    """
    parts = 1 + schema.rows.train // SAMPLE
    drawn = f"(SELECT * FROM rows WHERE md5_number_upper(id) % {parts} = 0)"
    found: dict[str, list[float]] = {}
    numbers = [column for column in columns_of(schema) if column.kind == "number"]
    for columns in batches(numbers):
        asked = [f"quantile_disc({double(column)}, {DECILES})" for column in columns]
        row = one_row(con, ", ".join(asked), drawn)
        for column, values in zip(columns, row, strict=True):
            found[column.name] = sorted(set(values or []))
    return found


def columns_of(schema: Schema) -> list[Measured]:
    """List the features and the target; a date is stored, but not to be judged, as a number."""
    columns = []
    for column in schema.columns:
        kind = "time" if is_a(column.type, TIMES) else column.kind
        columns.append(Measured(column.name, kind))
    target_kind = "number" if schema.task == "regression" else "category"
    return [*columns, Measured(schema.target, target_kind)]


def batches(columns: list[Measured]) -> list[list[Measured]]:
    """Part the columns into as many as one query asks for."""
    return [columns[i : i + AT_ONCE] for i in range(0, len(columns), AT_ONCE)]


def double(column: Measured) -> str:
    """Write the column as a double."""
    return f"CAST({ident(column.name)} AS DOUBLE)"


def struct(column: Measured, edges: Edges, ranges: Ranges) -> str:
    """Write the SQL of what to measure of the column, as one struct."""
    missing = f"count_if({ident(column.name)} IS NULL)"
    low, high = ranges.get(column.name, EVERYWHERE)
    x = double(column)
    outside = f"count_if({x} < {number(low)} OR {x} > {number(high)})"
    parts = {"missing": missing, **PARTS[column.kind](column, edges.get(column.name, []), outside)}
    fields = [f"{text(key)}: {value}" for key, value in parts.items()]
    return f"{{{', '.join(fields)}}}"


def category_parts(column: Measured, edges: list[float], outside: str) -> dict[str, str]:
    """Write what to measure of categories."""
    return {"counts": f"histogram({ident(column.name)})"}


def time_parts(column: Measured, edges: list[float], outside: str) -> dict[str, str]:
    """Write what to measure of times."""
    at = time(column.name, "TIMESTAMP")
    months = [f"count_if(month({at}) = {month})" for month in range(1, 13)]
    return {
        "first": f"CAST(coalesce(min({at}), 'epoch') AS VARCHAR)",
        "last": f"CAST(coalesce(max({at}), 'epoch') AS VARCHAR)",
        "late": f"count_if(day({at}) > 12)",
        "months": f"[{', '.join(months)}]",
        "outside": outside,
    }


def number_parts(column: Measured, edges: list[float], outside: str) -> dict[str, str]:
    """Write what to measure of numbers."""
    x = double(column)
    bins = ", ".join(map(number, [*edges, math.inf]))
    return {
        "low": f"coalesce(min({x}), 0)",
        "high": f"coalesce(max({x}), 0)",
        "counts": f"histogram({x}, [{bins}])",  # by edge, the rows after the one before it
        "nonzero": f"count_if({x} <> 0)",
        "outside": outside,
        # Exact decimals: sums of floats differ with the number of threads.
        "logarithms": f"sum(CAST(log10(abs(nullif({x}, 0))) AS DECIMAL(18, 6)))",
    }


PARTS = {"category": category_parts, "time": time_parts, "number": number_parts}


def number(value: float) -> str:
    """Write a double exactly; a bare literal would be a decimal."""
    return f"CAST({text(repr(float(value)))} AS DOUBLE)"


def describe(column: Measured, rows: int, edges: Edges, found: dict[str, Any]) -> AnyColumn:
    """Make of a struct that was measured what a reference has of the column."""
    found["rows"] = rows
    if column.kind == "category":
        counts = found.pop("counts") or {}
        return Category(values=sorted(counts.items()), **found)
    if column.kind == "time":
        return Time(**found)
    counts = found.pop("counts") or {}
    edges_of = edges.get(column.name, [])
    rows_to_edge = [counts.get(edge, 0) for edge in edges_of]
    found["below"] = [*accumulate(rows_to_edge)]
    logarithms = found.pop("logarithms") or 0
    mean = 10 ** (float(logarithms) / max(found["nonzero"], 1))
    found["magnitude"] = float(f"{mean:.6g}") * (found["nonzero"] > 0)
    return Number(edges=edges_of, **found)


def one_row(con: Connection, selected: str, table: str = "rows") -> list[Any]:
    """Ask for one row."""
    (row,) = con.execute(f"SELECT {selected} FROM {table}").fetchall()
    return list(row)
