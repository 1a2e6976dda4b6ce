"""The distribution of each column in two versions of a table, the views `old` and `new` of a DuckDB connection."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import duckdb

from pipeline.review.drift import Drift, ks, psi, total_variation
from pipeline.review.tables import identifier, rows

Kind = Literal["number", "date", "category", "text", "other"]
BATCH = 40  # columns a query
SAMPLE = 10_000  # rows of the old version, about, in which quantiles are looked for
BINS = 10  # of PSI and of the histogram that is shown
VALUES = 1_000  # more distinct ones are text, not categories
SHOWN = 10  # values of a category
DIGITS = 6  # significant; what is beyond depends on the order in which threads add up
NUMBER = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$")
DATE = re.compile(r"^(DATE|TIMESTAMP.*)$")


@dataclass(frozen=True)
class Histogram:
    """Rows by value, or between one border and the next. One of edges and values is there."""

    edges: list[float] | None
    values: list[Any] | None
    old: list[int]
    new: list[int]


@dataclass(frozen=True)
class ColumnDiff:
    """missing_*: rows without a value. summary_*: of a number or date its spread, of text how many distinct values.

    drift, measure, ks: see `drift`; flag: worth a look.
    """

    name: str
    kind: Kind
    missing_old: int
    missing_new: int
    summary_old: dict[str, Any]
    summary_new: dict[str, Any]
    histogram: Histogram | None = None
    drift: float | None = None
    measure: str | None = None
    ks: float | None = None
    flag: bool = False


def column_diffs(
    con: duckdb.DuckDBPyConnection, old: Mapping[str, str], new: Mapping[str, str], common: Sequence[str]
) -> list[ColumnDiff]:
    """old, new: types of all columns. One for each of the common ones, in their order."""
    kinds = {c: _kind(old[c], new[c]) for c in common}
    made: dict[str, ColumnDiff] = {}
    counts = [int(rows(con, f"SELECT count(*) FROM {side}")[0][0]) for side in ("old", "new")]
    for batch in _batched([*kinds]):
        summaries = [_summaries(con, side, {c: kinds[c] for c in batch}) for side in ("old", "new")]
        spread = {c: kinds[c] for c in batch if kinds[c] in ("number", "date")}
        edges = _edges(con, spread, counts[0])
        bins = [_histograms(con, side, edges, kinds) for side in ("old", "new")]
        for c in batch:
            sides = (summaries[0][c], summaries[1][c])
            if c in edges:
                made[c] = _binned(c, kinds[c], sides, edges[c], (bins[0][c], bins[1][c]), len(kinds))
            elif kinds[c] == "category":
                made[c] = _category(con, c, sides, len(kinds))
            else:
                made[c] = _plain(c, kinds[c], sides)
    return [made[c] for c in kinds]


def _batched(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[i : i + BATCH] for i in range(0, len(names), BATCH))


def _kind(old: str, new: str) -> Kind:
    kinds: dict[Kind, Any] = {"number": NUMBER, "date": DATE}
    for kind, pattern in kinds.items():
        if pattern.match(old) and pattern.match(new):
            return kind
    plain = all(re.match(r"VARCHAR|BOOLEAN|ENUM", t) or NUMBER.match(t) or DATE.match(t) for t in (old, new))
    return "category" if plain else "other"


def _value(column: str, kind: Kind) -> str:
    """As a number: dates in seconds. What is NaN or infinite has no place in a distribution."""
    c = identifier(column)
    if kind == "date":
        return f"epoch({c})::DOUBLE"
    return f"CASE WHEN isfinite({c}::DOUBLE) THEN {c}::DOUBLE END"


def _summaries(con: duckdb.DuckDBPyConnection, side: str, kinds: Mapping[str, Kind]) -> dict[str, dict[str, Any]]:
    """Of each column, how many values are missing and its spread, or how many are distinct."""
    asked: list[tuple[str, str, str]] = []
    for c, kind in kinds.items():
        name = identifier(c)
        missing = f"count(*) - count({_value(c, kind) if kind == 'number' else name})"
        asked.append((c, "missing", missing))
        if kind == "number":
            v = _value(c, kind)
            asked += [(c, what, f"{how}({v})") for what, how in NUMBERS.items()]
        elif kind == "date":
            asked += [(c, "min", f"min({name})::VARCHAR"), (c, "max", f"max({name})::VARCHAR")]
        else:
            asked.append((c, "distinct", f"approx_count_distinct({name}::VARCHAR)"))
    answers = rows(con, f"SELECT {', '.join(query for *_, query in asked)} FROM {side}")[0]
    found: dict[str, dict[str, Any]] = {c: {} for c in kinds}
    for (c, what, _), answer in zip(asked, answers, strict=True):
        found[c][what] = _rounded(answer)
    return found


NUMBERS = {"min": "min", "mean": "avg", "max": "max", "std": "stddev_samp"}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def _edges(con: duckdb.DuckDBPyConnection, kinds: Mapping[str, Kind], count: int) -> dict[str, list[float]]:
    """Upper borders of bins: percentiles of old rows, so many that KS is exact to one per cent.

    Of every so many-th row: the same bytes give the same borders, whatever the threads.
    """
    if not kinds:
        return {}
    share = max(1, count // SAMPLE)
    cuts = [i / 100 for i in range(1, 101)]
    asked = ", ".join(f"quantile_disc({_value(c, kind)}, {cuts})" for c, kind in kinds.items())
    answers = rows(con, f"SELECT {asked} FROM old_numbered WHERE file_row_number % {share} = 0")[0]
    return {c: sorted(set(answer or [])) for c, answer in zip(kinds, answers, strict=True)}


def _histograms(
    con: duckdb.DuckDBPyConnection, side: str, edges: Mapping[str, list[float]], kinds: Mapping[str, Kind]
) -> dict[str, list[int]]:
    """Rows up to each border, and beyond the last."""
    there = {c: e for c, e in edges.items() if e}
    found: dict[str, list[int]] = {c: [0] for c in edges}
    if there:
        asked = ", ".join(f"histogram({_value(c, kinds[c])}, {e}::DOUBLE[])" for c, e in there.items())
        for (c, e), answer in zip(there.items(), rows(con, f"SELECT {asked} FROM {side}")[0], strict=True):
            counted = dict(answer or {})
            inside = [int(counted.pop(edge, 0)) for edge in e]
            found[c] = [*inside, int(sum(counted.values()))]
    return found


Sides = tuple[dict[str, Any], dict[str, Any]]  # summaries of a column, old and new


def _binned(
    name: str, kind: Kind, sides: Sides, edges: Sequence[float], counts: tuple[list[int], list[int]], columns: int
) -> ColumnDiff:
    """PSI over ten bins and one of missing values; KS over all hundred."""
    borders = [*edges, math.inf]
    step = math.ceil(len(borders) / BINS)
    groups = [range(i, min(i + step, len(borders))) for i in range(0, len(borders), step)]
    old, new = ([sum(c[i] for i in group) for group in groups] for c in counts)
    missing = [int(s["missing"]) for s in sides]
    drift = psi([*old, missing[0]], [*new, missing[1]], columns) if any(missing) else psi(old, new, columns)
    ends = [s[end] for s in sides for end in ("min", "max") if isinstance(s[end], float)] or [0.0]
    tops = [borders[group[-1]] for group in groups[:-1]]
    shown = Histogram([_rounded(float(e)) for e in (min(ends), *tops, max(ends))], None, old, new)
    return replace(_plain(name, kind, sides), histogram=shown, ks=_rounded(ks(*counts)), **_measured(drift))


def _plain(name: str, kind: Kind, sides: Sides) -> ColumnDiff:
    missing = [int(s["missing"]) for s in sides]
    rest = [{k: v for k, v in s.items() if k != "missing"} for s in sides]
    return ColumnDiff(name, kind, missing[0], missing[1], rest[0], rest[1])


def _measured(drift: Drift) -> dict[str, Any]:
    return {"drift": _rounded(drift.value), "measure": drift.measure, "flag": drift.flag}


def _category(con: duckdb.DuckDBPyConnection, name: str, sides: Sides, columns: int) -> ColumnDiff:
    """Total variation over the values, missing ones too; of text with too many values nothing is measured."""
    if max(s["distinct"] for s in sides) > VALUES:
        return _plain(name, "text", sides)
    c = identifier(name)
    counted = [f"SELECT {c}::VARCHAR AS v, count(*) AS n FROM {side} GROUP BY v" for side in ("old", "new")]
    found = rows(
        con,
        f"SELECT coalesce(o.v, n.v), coalesce(o.n, 0)::BIGINT, coalesce(n.n, 0)::BIGINT FROM ({counted[0]}) o "
        f"FULL JOIN ({counted[1]}) n ON o.v IS NOT DISTINCT FROM n.v ORDER BY 2 DESC, 3 DESC, 1",
    )
    drift = total_variation([a for _, a, _ in found], [b for *_, b in found], columns)
    rest = found[SHOWN:]
    if rest:
        found[SHOWN:] = [("others", sum(a for _, a, _ in rest), sum(b for *_, b in rest))]
    shown = Histogram(None, [v for v, *_ in found], [a for _, a, _ in found], [b for *_, b in found])
    return replace(_plain(name, "category", sides), histogram=shown, **_measured(drift))
