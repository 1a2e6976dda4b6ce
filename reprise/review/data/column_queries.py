"""Asks DuckDB about columns of the views `old`, `new` and `added`.

It returns summaries, sorted values, and the rows of each value.
"""

import math
from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np

from reprise.review.data.column_types import ColumnKind
from reprise.review.data.database import fetch_rows, identifier
from reprise.review.data.drift import SortedValues

MAX_ROWS = 10_000_000  # of more rows, only every so many-th one's numbers are looked at
Summary = dict[str, Any]  # name of a figure: its value


def count_rows(con: duckdb.DuckDBPyConnection, view: str) -> int:
    """Return the number of rows of the view."""
    return int(fetch_rows(con, f"SELECT count(*) FROM {view}")[0][0])


def summarise_columns(
    con: duckdb.DuckDBPyConnection, view: str, kinds: Mapping[str, ColumnKind]
) -> dict[str, Summary]:
    """Return for each column how many values are missing, with the first and last of dates.

    Of what is neither number nor date, also about how many distinct values there are.
    """
    expressions = {}
    for column, kind in kinds.items():
        for figure, expression in _figures(column, kind).items():
            expressions[column, figure] = expression
    answers = fetch_rows(con, f"SELECT {', '.join(expressions.values())} FROM {view}")[0]
    summaries: dict[str, Summary] = {column: {} for column in kinds}
    for (column, figure), answer in zip(expressions, answers, strict=True):
        summaries[column][figure] = answer
    return summaries


def _figures(column: str, kind: ColumnKind) -> dict[str, str]:
    """Return SQL for each figure of a column's summary."""
    name = identifier(column)
    if kind is ColumnKind.NUMBER:
        return {"missing": f"count(*) - count({_as_number(column, kind)})"}
    missing = f"count(*) - count({name})"
    if kind is ColumnKind.DATE:
        return {"missing": missing, "min": f"min({name})::VARCHAR", "max": f"max({name})::VARCHAR"}
    return {"missing": missing, "distinct": f"approx_count_distinct({name}::VARCHAR)"}


def _as_number(column: str, kind: ColumnKind) -> str:
    """Return SQL for a column's numbers, dates in seconds.

    NaN and infinity become missing: they have no place in a distribution.
    """
    name = identifier(column)
    number = f"{name}::DOUBLE"
    if kind is ColumnKind.DATE:
        number = f"epoch({name})::DOUBLE"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def sorted_values(
    con: duckdb.DuckDBPyConnection, view: str, kinds: Mapping[str, ColumnKind], total: int
) -> dict[str, SortedValues]:
    """Return the numbers of each column, [rows] at most: missing ones are left out.

    total: the rows of the view. The numbers are sorted, so that neither the order of rows nor
    that of threads is in any sum.
    """
    numbers = [
        f"{_as_number(column, kind)} AS c{i}" for i, (column, kind) in enumerate(kinds.items())
    ]
    source = view
    step = math.ceil(total / MAX_ROWS)
    if step > 1:
        source = f"{view}_numbered WHERE file_row_number % {step} = 0"
    arrays = con.execute(f"SELECT {', '.join(numbers)} FROM {source}").fetchnumpy()
    result = {}
    for i, column in enumerate(kinds):
        values = arrays.pop(f"c{i}")  # so that one column at a time is held twice
        if isinstance(values, np.ma.MaskedArray):
            values = values.compressed()
        result[column] = np.sort(values)
    return result


def count_values(con: duckdb.DuckDBPyConnection, column: str, view: str, order: str) -> list[Any]:
    """Return (value as text, its rows in `old`, its rows in `view`) for each value.

    Missing ones are one value, None. order: SQL, after ORDER BY; the value is `v`.
    """
    name = identifier(column)
    both = (
        f"SELECT {name}::VARCHAR AS v, 0 AS side FROM old "
        f"UNION ALL SELECT {name}::VARCHAR AS v, 1 AS side FROM {view}"
    )
    counts = "count(*) FILTER (side = 0), count(*) FILTER (side = 1)"
    return fetch_rows(con, f"SELECT v, {counts} FROM ({both}) GROUP BY v ORDER BY {order}")
