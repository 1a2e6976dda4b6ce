"""Measures prepared tables with DuckDB: what a reference holds, in passes of flat memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from src.reference.columns import EVERYWHERE, AnyColumn, Category, Number, Range, Time
from src.reference.model import Reference
from src.schema import SPLITS, Column, Schema
from src.tables.connection import readable
from src.tables.sql import TIMES, ident, is_a, parquet, text, time

DECILES = [i / 10 for i in range(1, 10)]
SAMPLE = 1_000_000  # rows that deciles are taken of
AT_ONCE = 50  # columns of a query
Connection = duckdb.DuckDBPyConnection
Edges = Mapping[str, list[float]]
Ranges = Mapping[str, Range]


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
    """Find the deciles of each column of numbers, of up to a million rows drawn by their id.

    They are where `measure` counts rows, so that a sample does: its counts are of all rows. Deciles
    of all rows would take the memory of all values.
    """
    parts = 1 + schema.rows.train // SAMPLE
    drawn = f"(SELECT * FROM rows WHERE md5_number_upper(id) % {parts} = 0)"
    found: dict[str, list[float]] = {}
    numbers = [column for column in columns_of(schema) if kind(column) == "number"]
    for columns in batches(numbers):
        asked = [f"quantile_disc({double(column)}, {DECILES})" for column in columns]
        for column, values in zip(columns, one_row(con, ", ".join(asked), drawn), strict=True):
            found[column.name] = sorted(set(values or []))
    return found


def columns_of(schema: Schema) -> list[Column]:
    """List the features and the target."""
    target = Column(
        name=schema.target,
        type=schema.target_type,
        kind="number" if schema.classes is None else "category",
        missing=0,
    )
    return [*schema.columns, target]


def batches(columns: list[Column]) -> list[list[Column]]:
    """Part the columns into as many as one query asks for."""
    return [columns[i : i + AT_ONCE] for i in range(0, len(columns), AT_ONCE)]


def kind(column: Column) -> str:
    """Tell numbers, times and categories; a date is stored, but not to be judged, as a number."""
    return "time" if is_a(column.type, TIMES) else column.kind


def double(column: Column) -> str:
    """Write the column as a double."""
    return f"CAST({ident(column.name)} AS DOUBLE)"


def struct(column: Column, edges: Edges, ranges: Ranges) -> str:
    """Write the SQL of what to measure of the column, as one struct."""
    missing = f"count_if({ident(column.name)} IS NULL)"
    low, high = ranges.get(column.name, EVERYWHERE)
    x = double(column)
    outside = f"count_if({x} < {number(low)} OR {x} > {number(high)})"
    parts = {"missing": missing, **PARTS[kind(column)](column, edges.get(column.name, []), outside)}
    fields = [f"{text(key)}: {value}" for key, value in parts.items()]
    return f"{{{', '.join(fields)}}}"


def category_parts(column: Column, edges: list[float], outside: str) -> dict[str, str]:
    """Write what to measure of categories."""
    return {"counts": f"histogram({ident(column.name)})"}


def time_parts(column: Column, edges: list[float], outside: str) -> dict[str, str]:
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


def number_parts(column: Column, edges: list[float], outside: str) -> dict[str, str]:
    """Write what to measure of numbers."""
    x = double(column)
    below = [f"count_if({x} <= {number(edge)})" for edge in edges]
    return {
        "low": f"coalesce(min({x}), 0)",
        "high": f"coalesce(max({x}), 0)",
        "below": f"CAST([{', '.join(below)}] AS BIGINT[])",
        "nonzero": f"count_if({x} <> 0)",
        "outside": outside,
        # Exact decimals: sums of floats differ with the number of threads.
        "logarithms": f"sum(CAST(log10(abs(nullif({x}, 0))) AS DECIMAL(18, 6)))",
    }


PARTS = {"category": category_parts, "time": time_parts, "number": number_parts}


def number(value: float) -> str:
    """Write a double exactly; a bare literal would be a decimal."""
    return f"CAST({text(repr(float(value)))} AS DOUBLE)"


def describe(column: Column, rows: int, edges: Edges, found: dict[str, Any]) -> AnyColumn:
    """Make of a struct that was measured what a reference has of the column."""
    found["rows"] = rows
    if kind(column) == "category":
        counts = found.pop("counts") or {}
        return Category(values=sorted(counts.items()), **found)
    if kind(column) == "time":
        return Time(**found)
    logarithms = found.pop("logarithms") or 0
    mean = 10 ** (float(logarithms) / max(found["nonzero"], 1))
    found["magnitude"] = float(f"{mean:.6g}") * (found["nonzero"] > 0)
    return Number(edges=edges.get(column.name, []), **found)


def one_row(con: Connection, selected: str, table: str = "rows") -> list[Any]:
    """Ask for one row."""
    row = con.execute(f"SELECT {selected} FROM {table}").fetchone()
    assert row is not None
    return list(row)
