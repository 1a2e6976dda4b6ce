"""Compares the distribution of each column in two versions of a table.

The versions are the views `old` and `new` of a DuckDB connection.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np

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
DIGITS = 6  # significant; what is beyond depends on the processor


@dataclass(frozen=True)
class Histogram:
    """Counts rows by value, or between one edge and the next. Either edges or values is None."""

    edges: list[float] | None
    values: list[Any] | None
    old: list[int]
    new: list[int]


@dataclass(frozen=True)
class ColumnDiff:
    """Holds the distributions of a column in both versions, and how far they are apart.

    missing_*: rows without a value; NaN and infinity are none. summary_*: of a number its spread,
    of a date its first and last, of text about how many distinct values. drift: by `measure`;
    ks: Kolmogorov's and Smirnov's distance; flag: worth a look.
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


def diff_columns(con: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> list[ColumnDiff]:
    """Compare each column, in the order given.

    types: DuckDB's type of each, the same in both versions.
    """
    kinds = {column: column_kind(type_) for column, type_ in types.items()}
    diffs = _diff_summaries(con, kinds)
    _add_categories(con, diffs)
    _add_distributions(con, diffs, types)
    return [diffs[column] for column in types]


def _batches(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _diff_summaries(
    con: duckdb.DuckDBPyConnection, kinds: Mapping[str, ColumnKind]
) -> dict[str, ColumnDiff]:
    """Count what is missing, and summarise dates and text."""
    diffs = {}
    for batch in _batches(list(kinds), COLUMNS_A_QUERY):
        batch_kinds = {column: kinds[column] for column in batch}
        old_summaries = summarise_columns(con, "old", batch_kinds)
        new_summaries = summarise_columns(con, "new", batch_kinds)
        for column in batch:
            old, new = old_summaries[column], new_summaries[column]
            missing_old, missing_new = int(old.pop("missing")), int(new.pop("missing"))
            diffs[column] = ColumnDiff(column, kinds[column], missing_old, missing_new, old, new)
    return diffs


def _add_categories(con: duckdb.DuckDBPyConnection, diffs: dict[str, ColumnDiff]) -> None:
    """Compare the values of categories; what has too many distinct values becomes text."""
    for column, diff in diffs.items():
        if diff.kind is not ColumnKind.CATEGORY:
            continue
        if max(diff.summary_old["distinct"], diff.summary_new["distinct"]) > MAX_CATEGORIES:
            diffs[column] = replace(diff, kind=ColumnKind.TEXT)
        else:
            diffs[column] = _diff_category(con, diff, len(diffs))


def _diff_category(con: duckdb.DuckDBPyConnection, diff: ColumnDiff, columns: int) -> ColumnDiff:
    """Add total variation over all values, missing ones too, and a histogram of the commonest."""
    counts = count_values(con, diff.name, "2 DESC, 3 DESC, 1")
    values = [value for value, _, _ in counts]
    old = [rows for _, rows, _ in counts]
    new = [rows for _, _, rows in counts]
    drift = total_variation(old, new, columns)
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
    con: duckdb.DuckDBPyConnection, diffs: dict[str, ColumnDiff], types: Mapping[str, str]
) -> None:
    """Compare the distributions of numbers and dates, HELD numbers at a time."""
    kinds = {}
    for column, diff in diffs.items():
        if diff.kind in (ColumnKind.NUMBER, ColumnKind.DATE):
            kinds[column] = diff.kind
    old_rows, new_rows = count_rows(con, "old"), count_rows(con, "new")
    columns_held = HELD // max(old_rows, new_rows, 1)
    for batch in _batches(list(kinds), max(1, min(COLUMNS_A_QUERY, columns_held))):
        batch_kinds = {column: kinds[column] for column in batch}
        old_values = sorted_values(con, "old", batch_kinds, old_rows)
        new_values = sorted_values(con, "new", batch_kinds, new_rows)
        for column in batch:
            diffs[column] = _diff_numbers(
                diffs[column],
                old_values.pop(column),
                new_values.pop(column),
                whole_numbers=is_integer(types[column]),
                columns=len(diffs),
            )


def _diff_numbers(
    diff: ColumnDiff, old: SortedValues, new: SortedValues, *, whole_numbers: bool, columns: int
) -> ColumnDiff:
    """Add PSI, the Kolmogorov-Smirnov distance, and a histogram.

    PSI is over tenths of the old values, and a bin of missing ones.
    """
    borders = decile_borders(old)
    old_counts = [*count_by_bin(old, borders), diff.missing_old]
    new_counts = [*count_by_bin(new, borders), diff.missing_new]
    drift = population_stability(old_counts, new_counts, columns)
    diff = replace(
        diff,
        histogram=_histogram(old, new, whole_numbers),
        drift=_rounded(drift.value),
        measure=drift.measure,
        ks=_rounded(kolmogorov_smirnov(old, new)),
        flag=drift.flag,
    )
    if diff.kind is ColumnKind.NUMBER:
        diff = replace(diff, summary_old=_summary(old), summary_new=_summary(new))
    return diff


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
        std = float(values.std(ddof=1)) if count > 1 else 0.0
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
