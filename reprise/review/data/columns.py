"""The distribution of each column in two versions of a table, the views `old` and `new` of a DuckDB connection."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

from reprise.review.data.column_types import ColumnKind, column_kind, is_integer
from reprise.review.data.drift import (
    Drift,
    Values,
    below,
    bins,
    counts,
    deciles,
    ks,
    psi,
    total_variation,
)
from reprise.review.data.tables import identifier, rows

BATCH = 40  # columns a query
HELD = 5_000_000  # numbers of one side that are in memory at a time, but for a column of more
MOST = 10_000_000  # rows of which all numbers are looked at; of more rows, of every so many-th
BINS = 20  # of the histogram that is shown
VALUES = 1_000  # more distinct ones are text, not categories
SHOWN = 10  # values of a category
DIGITS = 6  # significant; what is beyond depends on the processor


@dataclass(frozen=True)
class Histogram:
    """Rows by value, or between one border and the next. One of edges and values is there."""

    edges: list[float] | None
    values: list[Any] | None
    old: list[int]
    new: list[int]


@dataclass(frozen=True)
class ColumnDiff:
    """missing_*: rows without a value; NaN and infinity are none. summary_*: of a number its spread, of a date its
    ends, of text how many distinct values, about.

    drift, measure, ks: see `drift`; flag: worth a look.
    """

    name: str
    kind: ColumnKind
    missing_old: int
    missing_new: int
    summary_old: dict[str, Any]
    summary_new: dict[str, Any]
    histogram: Histogram | None = None
    drift: float | None = None
    measure: str | None = None
    ks: float | None = None
    flag: bool = False


def column_diffs(con: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> list[ColumnDiff]:
    """One for each of the columns, in their order. types: what both sides have."""
    kinds = {c: column_kind(t) for c, t in types.items()}
    totals = [int(rows(con, f"SELECT count(*) FROM {side}")[0][0]) for side in ("old", "new")]
    made: dict[str, ColumnDiff] = {}
    for batch in _batched([*kinds], BATCH):
        summaries = [_summaries(con, side, {c: kinds[c] for c in batch}) for side in ("old", "new")]
        for c in batch:
            sides = (summaries[0][c], summaries[1][c])
            made[c] = (
                _category(con, c, sides, len(kinds))
                if kinds[c] is ColumnKind.CATEGORY
                else _plain(c, kinds[c], sides)
            )
    numbers = [c for c, kind in kinds.items() if kind in (ColumnKind.NUMBER, ColumnKind.DATE)]
    for batch in _batched(numbers, max(1, min(BATCH, HELD // max(*totals, 1)))):
        old, new = (
            _values(con, side, {c: kinds[c] for c in batch}, n)
            for side, n in zip(("old", "new"), totals, strict=True)
        )
        for c in batch:
            made[c] = _spread(made[c], old.pop(c), new.pop(c), is_integer(types[c]), len(kinds))
    return [made[c] for c in kinds]


def _batched(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[i : i + size] for i in range(0, len(names), size))


def _value(column: str, kind: ColumnKind) -> str:
    """As a number: dates in seconds. What is NaN or infinite has no place in a distribution."""
    c = identifier(column)
    number = f"epoch({c})::DOUBLE" if kind is ColumnKind.DATE else f"{c}::DOUBLE"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _summaries(
    con: duckdb.DuckDBPyConnection, side: str, kinds: Mapping[str, ColumnKind]
) -> dict[str, dict[str, Any]]:
    """Of each column, how many values are missing, the ends of dates, and how many values are distinct."""
    asked: list[tuple[str, str, str]] = []
    for c, kind in kinds.items():
        name = identifier(c)
        asked.append(
            (
                c,
                "missing",
                f"count(*) - count({_value(c, kind) if kind is ColumnKind.NUMBER else name})",
            )
        )
        if kind is ColumnKind.DATE:
            asked += [(c, "min", f"min({name})::VARCHAR"), (c, "max", f"max({name})::VARCHAR")]
        elif kind is not ColumnKind.NUMBER:
            asked.append((c, "distinct", f"approx_count_distinct({name}::VARCHAR)"))
    answers = rows(con, f"SELECT {', '.join(query for *_, query in asked)} FROM {side}")[0]
    found: dict[str, dict[str, Any]] = {c: {} for c in kinds}
    for (c, what, _), answer in zip(asked, answers, strict=True):
        found[c][what] = answer
    return found


def _values(
    con: duckdb.DuckDBPyConnection, side: str, kinds: Mapping[str, ColumnKind], total: int
) -> dict[str, Values]:
    """Sorted, so that neither the order of rows nor that of threads is in any sum."""
    asked = ", ".join(f"{_value(c, kind)} AS c{i}" for i, (c, kind) in enumerate(kinds.items()))
    share = -(-total // MOST)
    source = side if share <= 1 else f"{side}_numbered WHERE file_row_number % {share} = 0"
    found = con.execute(f"SELECT {asked} FROM {source}").fetchnumpy()
    made = {}
    for i, c in enumerate(kinds):
        values = found.pop(f"c{i}")
        made[c] = np.sort(values.compressed() if isinstance(values, np.ma.MaskedArray) else values)
    return made


def _spread(plain: ColumnDiff, old: Values, new: Values, whole: bool, columns: int) -> ColumnDiff:
    """PSI over tenths of the old values, and a bin of missing ones."""
    borders = deciles(old)
    binned = [
        [*counts(x, borders), n] for x, n in ((old, plain.missing_old), (new, plain.missing_new))
    ]
    drift = psi(binned[0], binned[1], columns)
    made = replace(
        plain, histogram=_histogram(old, new, whole), ks=_rounded(ks(old, new)), **_measured(drift)
    )
    return (
        replace(made, summary_old=_summary(old), summary_new=_summary(new))
        if plain.kind is ColumnKind.NUMBER
        else made
    )


def _summary(values: Values) -> dict[str, Any]:
    if not len(values):
        return {}
    quarters = [_rounded(float(values[math.ceil(len(values) * i / 4) - 1])) for i in (1, 2, 3)]
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers like 1e200: then they are None
        mean, std = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
    ends = [_rounded(float(end)) for end in (values[0], values[-1])]
    named = zip(("min", "q1", "median", "q3", "max"), (ends[0], *quarters, ends[1]), strict=True)
    return {**dict(named), "mean": _rounded(mean, std), "std": _rounded(std)}


def _rounded(value: float, scale: float = 0.0) -> float | None:
    """scale: what else sets the digits that count; the mean of a standardised column is 0, and not 1e-17."""
    size = max(abs(value), scale)
    if not math.isfinite(size):
        return None
    return round(value, DIGITS - 1 - math.floor(math.log10(size))) + 0.0 if size else 0.0


def _histogram(old: Values, new: Values, whole: bool) -> Histogram | None:
    edges = bins(old, new, BINS, whole)
    return (
        Histogram(edges, None, *(counts(x, below(edges[1:-1])) for x in (old, new)))
        if edges
        else None
    )


Sides = tuple[dict[str, Any], dict[str, Any]]  # summaries of a column, old and new


def _plain(name: str, kind: ColumnKind, sides: Sides) -> ColumnDiff:
    missing = [int(s["missing"]) for s in sides]
    rest = [{k: v for k, v in s.items() if k != "missing"} for s in sides]
    return ColumnDiff(name, kind, missing[0], missing[1], rest[0], rest[1])


def _measured(drift: Drift) -> dict[str, Any]:
    return {"drift": _rounded(drift.value), "measure": drift.measure, "flag": drift.flag}


def value_counts(con: duckdb.DuckDBPyConnection, column: str, order: str) -> list[Any]:
    """(value as text, its rows in `old`, in `new`), None for missing values; order: SQL, after ORDER BY."""
    sides = " UNION ALL ".join(
        f"SELECT {identifier(column)}::VARCHAR AS v, {i} AS side FROM {side}"
        for i, side in enumerate(("old", "new"))
    )
    counted = "count(*) FILTER (side = 0), count(*) FILTER (side = 1)"
    return rows(con, f"SELECT v, {counted} FROM ({sides}) GROUP BY v ORDER BY {order}")


def _category(con: duckdb.DuckDBPyConnection, name: str, sides: Sides, columns: int) -> ColumnDiff:
    """Total variation over the values, missing ones too; of text with too many values nothing is measured."""
    if max(s["distinct"] for s in sides) > VALUES:
        return _plain(name, ColumnKind.TEXT, sides)
    found = value_counts(con, name, "2 DESC, 3 DESC, 1")
    drift = total_variation([a for _, a, _ in found], [b for *_, b in found], columns)
    rest = found[SHOWN:]
    if rest:
        found[SHOWN:] = [("others", sum(a for _, a, _ in rest), sum(b for *_, b in rest))]
    shown = Histogram(
        None, [v for v, *_ in found], [a for _, a, _ in found], [b for *_, b in found]
    )
    return replace(_plain(name, ColumnKind.CATEGORY, sides), histogram=shown, **_measured(drift))
