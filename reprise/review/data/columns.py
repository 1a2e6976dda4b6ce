"""Compares the distribution of each column in two versions of a table.

The versions are the views `old` and `new` of a DuckDB connection; `added` are the rows of new ids.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

from reprise.described import DescribedEnum
from reprise.review.data.bins import count_by_bin, decile_borders, histogram_edges, just_below
from reprise.review.data.column_queries import (
    Summary,
    count_rows,
    count_values,
    sorted_values,
    summarise_columns,
)
from reprise.review.data.column_types import ColumnKind, column_kind, is_integer
from reprise.review.data.drift import (
    Drift,
    DriftMeasure,
    SortedValues,
    kolmogorov_smirnov,
    population_stability,
    total_variation,
)

COLUMNS_A_QUERY = 40
HELD = 5_000_000  # numbers of one side that are in memory at a time, but for a column of more
HISTOGRAM_BINS = 20
MAX_CATEGORIES = 1_000  # more distinct values are text, not categories
LISTED_VALUES = 10  # of a category; the rest are "others"
LEAST_KEYS = 20  # values that a key has; fewer may be distinct by chance
SPARSEST_KEY = 2  # times as long as its values is the range of a key of whole numbers
DIGITS = 6  # significant; what is beyond depends on the processor


@dataclass(frozen=True)
class Histogram:
    """Counts rows by value, or between one edge and the next. Either edges or values is None."""

    edges: list[float] | None
    values: list[Any] | None
    old: list[int]
    new: list[int]


class ComparedRows(DescribedEnum):
    """Says which rows of the new version a column's drift is of."""

    ALL = "all rows", "all rows of the new version, against all of the old one"
    ADDED = "added rows", "the rows whose ids are new, against all of the old version"


VIEWS = {ComparedRows.ALL: "new", ComparedRows.ADDED: "added"}  # of the connection


@dataclass(frozen=True)
class ColumnDiff:
    """Holds the distributions of a column in both versions, and how far they are apart.

    missing_*: rows without a value; NaN and infinity are none. summary_*: of a number its spread,
    of a date its first and last, of text about how many distinct values. drift: by `measure`;
    ks: Kolmogorov's and Smirnov's distance; flag: worth a look; scope: what histogram, drift and ks
    are of, the added rows where these alone drifted; changed: rows of one id and another value,
    None without ids. Edges of dates are in seconds since 1970.
    """

    name: str
    kind: ColumnKind
    missing_old: int
    missing_new: int
    summary_old: Summary
    summary_new: Summary
    histogram: Histogram | None = None
    drift: float | None = None
    measure: DriftMeasure | None = None
    ks: float | None = None
    flag: bool = False
    scope: ComparedRows = ComparedRows.ALL
    changed: int | None = None


def diff_columns(con: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> list[ColumnDiff]:
    """Compare each column, in the order given.

    types: DuckDB's type of each, the same in both versions. Where the view `added` has rows, and
    not all, these are compared with the old ones too: a fifth that is new can hide in the whole.
    """
    has_added = 0 < count_rows(con, "added") < count_rows(con, "new")
    tests = len(types) * (1 + has_added)
    diffs = _diff_view(con, types, ComparedRows.ALL, tests)
    if has_added:
        added = _diff_view(con, types, ComparedRows.ADDED, tests)
        for column, diff in added.items():
            if diff.flag and diffs[column].drift is not None:  # a key's is None
                diffs[column] = replace(
                    diffs[column],
                    histogram=diff.histogram,
                    drift=diff.drift,
                    measure=diff.measure,
                    ks=diff.ks,
                    flag=True,
                    scope=ComparedRows.ADDED,
                )
    return [diffs[column] for column in types]


def _diff_view(
    con: duckdb.DuckDBPyConnection, types: Mapping[str, str], rows: ComparedRows, tests: int
) -> dict[str, ColumnDiff]:
    """Compare the columns of `old` with those of the view that has these rows of the new version.

    tests: how many are made of the table.
    """
    kinds = {column: column_kind(type_) for column, type_ in types.items()}
    view = VIEWS[rows]
    diffs = _diff_summaries(con, kinds, view)
    _add_categories(con, diffs, view, tests)
    _add_distributions(con, diffs, types, rows, tests)
    return diffs


def _batches(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _diff_summaries(
    con: duckdb.DuckDBPyConnection, kinds: Mapping[str, ColumnKind], view: str
) -> dict[str, ColumnDiff]:
    """Count what is missing, and summarise dates and text."""
    diffs = {}
    for batch in _batches(list(kinds), COLUMNS_A_QUERY):
        batch_kinds = {column: kinds[column] for column in batch}
        old_summaries = summarise_columns(con, "old", batch_kinds)
        new_summaries = summarise_columns(con, view, batch_kinds)
        for column in batch:
            old, new = old_summaries[column], new_summaries[column]
            missing_old, missing_new = int(old.pop("missing")), int(new.pop("missing"))
            diffs[column] = ColumnDiff(column, kinds[column], missing_old, missing_new, old, new)
    return diffs


def _add_categories(
    con: duckdb.DuckDBPyConnection, diffs: dict[str, ColumnDiff], view: str, tests: int
) -> None:
    """Compare the values of categories; what has too many distinct values becomes text."""
    for column, diff in diffs.items():
        if diff.kind is not ColumnKind.CATEGORY:
            continue
        if max(diff.summary_old["distinct"], diff.summary_new["distinct"]) > MAX_CATEGORIES:
            diffs[column] = replace(diff, kind=ColumnKind.TEXT)
        else:
            diffs[column] = _diff_category(con, diff, view, tests)


def _diff_category(
    con: duckdb.DuckDBPyConnection, diff: ColumnDiff, view: str, tests: int
) -> ColumnDiff:
    """Add total variation over all values, missing ones too, and a histogram of the commonest.

    Text that no two rows of a side share is a key.
    """
    counts = count_values(con, diff.name, view, "2 DESC, 3 DESC, 1")
    values = [value for value, _, _ in counts]
    old = [rows for _, rows, _ in counts]
    new = [rows for _, _, rows in counts]
    if max(*old, *new, 0, 0) == 1 and sum(old) >= LEAST_KEYS and None not in values:
        return replace(diff, kind=ColumnKind.KEY)
    drift = total_variation(old, new, tests)
    if len(values) > LISTED_VALUES:
        values[LISTED_VALUES:] = ["others"]
        old[LISTED_VALUES:] = [sum(old[LISTED_VALUES:])]
        new[LISTED_VALUES:] = [sum(new[LISTED_VALUES:])]
    return replace(
        diff,
        histogram=Histogram(None, values, old, new),
        drift=_rounded(drift.value),
        measure=drift.measure,
        flag=drift.flag,
    )


def _add_distributions(
    con: duckdb.DuckDBPyConnection,
    diffs: dict[str, ColumnDiff],
    types: Mapping[str, str],
    rows: ComparedRows,
    tests: int,
) -> None:
    """Compare the distributions of numbers and dates, HELD numbers at a time."""
    kinds = {}
    for column, diff in diffs.items():
        if diff.kind in (ColumnKind.NUMBER, ColumnKind.DATE):
            kinds[column] = diff.kind
    view = VIEWS[rows]
    old_rows, new_rows = count_rows(con, "old"), count_rows(con, view)
    columns_held = HELD // max(old_rows, new_rows, 1)
    for batch in _batches(list(kinds), max(1, min(COLUMNS_A_QUERY, columns_held))):
        batch_kinds = {column: kinds[column] for column in batch}
        old_values = sorted_values(con, "old", batch_kinds, old_rows)
        new_values = sorted_values(con, view, batch_kinds, new_rows)
        for column in batch:
            diff, old, new = diffs[column], old_values.pop(column), new_values.pop(column)
            if diff.kind is ColumnKind.DATE:
                diffs[column] = _diff_dates(diff, old, new, rows, tests)
            else:
                diffs[column] = _diff_numbers(
                    diff, old, new, whole_numbers=is_integer(types[column]), tests=tests
                )


def _diff_numbers(
    diff: ColumnDiff, old: SortedValues, new: SortedValues, *, whole_numbers: bool, tests: int
) -> ColumnDiff:
    """Add PSI, the Kolmogorov-Smirnov distance, and a histogram.

    PSI is over tenths of the old values, and a bin of missing ones. Whole numbers of which each is
    there once, with few left out, number the rows: they are a key.
    """
    diff = replace(diff, summary_old=_summary(old), summary_new=_summary(new))
    if whole_numbers and _numbers_rows(old) and _numbers_rows(new):
        return replace(diff, kind=ColumnKind.KEY)
    drift = population_stability(
        _counts_by_tenth(old, new), (diff.missing_old, diff.missing_new), tests
    )
    return _with_drift(diff, drift, old, new, whole_numbers)


def _numbers_rows(values: SortedValues) -> bool:
    """Tell whether the values are row numbers, or hashed ones that fill their range."""
    if len(values) < LEAST_KEYS:
        return False
    span = values[-1] - values[0] + 1
    return bool(span <= SPARSEST_KEY * len(values) and (np.diff(values) > 0).all())


def _diff_dates(
    diff: ColumnDiff, old: SortedValues, new: SortedValues, rows: ComparedRows, tests: int
) -> ColumnDiff:
    """Add PSI over the span of time that both sides cover, or of what is missing, if that is more.

    Time goes on: later dates are no drift, nor are the oldest ones that were dropped. Nor are added
    rows of which most are later than all old ones, and some came late.
    """
    shared_old, shared_new = _shared_span(old, new)
    if rows is ComparedRows.ADDED and len(new) and old.size and new[len(new) // 2] > old[-1]:
        shared_new = new[:0]
    within = population_stability(_counts_by_tenth(shared_old, shared_new), (0, 0), 2 * tests)
    present = [len(old)], [len(new)]
    missing = population_stability(present, (diff.missing_old, diff.missing_new), 2 * tests)
    drift = max(within, missing, key=lambda drift: (drift.flag, drift.value))
    return _with_drift(diff, drift, old, new, whole_numbers=False)


def _shared_span(old: SortedValues, new: SortedValues) -> tuple[SortedValues, SortedValues]:
    """Return the values of either side that are neither before nor after all of the other."""
    if 0 in (len(old), len(new)):
        return old, new
    first = max(old[0], new[0])
    last = min(old[-1], new[-1])
    old_start, new_start = np.searchsorted(old, first), np.searchsorted(new, first)
    old_end = np.searchsorted(old, last, side="right")
    new_end = np.searchsorted(new, last, side="right")
    return old[old_start:old_end], new[new_start:new_end]


def _counts_by_tenth(old: SortedValues, new: SortedValues) -> tuple[list[int], list[int]]:
    borders = decile_borders(old)
    return count_by_bin(old, borders), count_by_bin(new, borders)


def _with_drift(
    diff: ColumnDiff, drift: Drift, old: SortedValues, new: SortedValues, whole_numbers: bool
) -> ColumnDiff:
    return replace(
        diff,
        histogram=_histogram(old, new, whole_numbers),
        drift=_rounded(drift.value),
        measure=drift.measure,
        ks=_rounded(kolmogorov_smirnov(old, new)),
        flag=drift.flag,
    )


def _histogram(old: SortedValues, new: SortedValues, whole_numbers: bool) -> Histogram | None:
    edges = histogram_edges(old, new, HISTOGRAM_BINS, whole_numbers=whole_numbers)
    if not edges:
        return None
    borders = just_below(edges[1:-1])
    return Histogram(edges, None, count_by_bin(old, borders), count_by_bin(new, borders))


def _summary(values: SortedValues) -> Summary:
    """Return the spread of the values; nothing if there are none.

    A figure that is too large for a float is None.
    """
    count = len(values)
    if not count:
        return {}
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers like 1e200
        mean = float(values.mean())
        std = 0.0
        if count > 1:
            std = float(values.std(ddof=1))
    return {
        "min": _rounded(float(values[0])),
        "q1": _rounded(_quartile(values, 1)),
        "median": _rounded(_quartile(values, 2)),
        "q3": _rounded(_quartile(values, 3)),
        "max": _rounded(float(values[-1])),
        "mean": _rounded(mean, std),
        "std": _rounded(std),
    }


def _quartile(values: SortedValues, number: int) -> float:
    return float(values[math.ceil(len(values) * number / 4) - 1])


def _rounded(value: float, scale: float = 0.0) -> float | None:
    """Round to DIGITS significant digits; None for what is not finite.

    scale: what else sets the digits that count; the mean of a standardised column is 0, not 1e-17.
    """
    size = max(abs(value), scale)
    if not math.isfinite(size):
        return None
    if not size:
        return 0.0
    return round(value, DIGITS - 1 - math.floor(math.log10(size))) + 0.0  # no −0.0
