"""Finds where a metric moved: the same paired test in each class and each declared slice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprise.described import DescribedEnum
from reprise.review.declared import Direction, PredictionsSpec
from reprise.review.stats.aligned import AlignedTables
from reprise.review.stats.estimate import LEVEL, MIN_UNITS, Array, is_zero_one, round_result
from reprise.review.stats.holm import holm_adjusted
from reprise.review.stats.results import MetricComparison, Verdict
from reprise.review.stats.text_columns import as_text
from reprise.review.stats.units import count_units
from reprise.review.stats.verdicts import estimate_difference, judge

MOST_PARTS = 1000  # classes, or values of a column of slices; more are numbers or keys
RANKS = {Verdict.WORSE: 0, Verdict.BETTER: 1}


class PartKind(DescribedEnum):
    """Says what a part of the test rows is, and so what is compared of it."""

    RECALL = "recall", "rows of one class: the share that is predicted so"
    PRECISION = "precision", "rows predicted as one class: the share that is of it"
    SLICE = "slice", "rows with one value of a declared column: the metric"


@dataclass(frozen=True)
class PartComparison:
    """Holds the comparison of one part of the test rows.

    name: the class, or `column = value`; rows: paired ones in it; result: as of any metric, with
    a p-value that is Holm-adjusted over all parts.
    """

    kind: PartKind
    name: str
    rows: int
    result: MetricComparison


@dataclass(frozen=True)
class _Part:
    """Holds what is compared of a part: values of its rows on either side, [seeds, rows]."""

    kind: PartKind
    name: str
    metric: str
    better: Direction
    old: Array
    new: Array
    rows: Array  # positions among the pairs


def compare_parts(tables: AlignedTables, spec: PredictionsSpec) -> list[PartComparison]:
    """Compare each class and slice that has enough rows, and return the worst first.

    Classes and slices of a row are those of the new side, of its first seed.
    """
    judged = []
    for part in [*_classes(tables, spec), *_slices(tables, spec)]:
        group = None
        if tables.group is not None:
            group = np.unique(tables.group[part.rows], return_inverse=True)[1]
        if count_units(len(part.rows), group) < MIN_UNITS:
            continue
        if np.isfinite(part.old).all() and np.isfinite(part.new).all():
            result = _compare(part, group)
            judged.append(PartComparison(part.kind, part.name, len(part.rows), result))
    return sorted(_adjusted(judged), key=_badness)


def _compare(part: _Part, group: Array | None) -> MetricComparison:
    """Compare the part's rows as if they were all."""
    described = MetricComparison(
        name=part.metric,
        column="value",
        better=part.better,
        margin=None,
        proportion=is_zero_one(part.old) and is_zero_one(part.new),
        old=round_result(part.old.mean()),
        new=round_result(part.new.mean()),
        difference=None,
        low=None,
        high=None,
        p_value=None,
        verdict=None,
        why=None,
        detectable=None,
        method="none",
        unpaired=None,
    )
    estimate = estimate_difference(part.old, part.new, group, None)
    return judge(described, estimate, estimate.p)


def _adjusted(parts: list[PartComparison]) -> list[PartComparison]:
    """Adjust the p-values for the number of parts, and take away the verdicts that chance makes."""
    p_values = holm_adjusted([part.result.p_value or 0.0 for part in parts])
    adjusted = []
    for part, p in zip(parts, p_values, strict=True):
        result = replace(part.result, p_value=round_result(p))
        if p > LEVEL:
            assert result.low is not None
            assert result.high is not None
            result = replace(
                result,
                verdict=Verdict.NO_DIFFERENCE,
                low=min(result.low, 0.0),
                high=max(result.high, 0.0),
            )
        adjusted.append(replace(part, result=result))
    return adjusted


def _badness(part: PartComparison) -> tuple[int, float]:
    """Sort worse parts first, then better ones, then the rest; the furthest from good first."""
    result = part.result
    assert result.verdict is not None
    assert result.difference is not None
    gain = result.difference
    if result.better is Direction.LOWER:
        gain = -gain
    return RANKS.get(result.verdict, 2), gain


def _slices(tables: AlignedTables, spec: PredictionsSpec) -> Iterator[_Part]:
    """Yield the slices, with the first metric in order that is a mean over any rows."""
    first = spec.first_mean
    if first is None:
        return
    name, metric = first
    if any(metric.column not in table.column_names for table in tables.old + tables.new):
        return
    old_values = _numbers(tables.old, metric.column)
    new_values = _numbers(tables.new, metric.column)
    for column in spec.slices:
        for value, rows in _rows_by_value(tables.new[0][column]):
            yield _Part(
                PartKind.SLICE,
                f"{column} = {value}",
                name,
                metric.better,
                old_values[:, rows],
                new_values[:, rows],
                rows,
            )


def _numbers(tables: Sequence[pa.Table], column: str) -> Array:
    """Return the column of all tables, [seeds, rows]."""
    return np.stack([table[column].cast(pa.float64(), safe=False).to_numpy() for table in tables])


def _rows_by_value(column: Any) -> list[tuple[str, Array]]:
    """Return the rows of each value, the missing ones left out; nothing of too many values."""
    text = as_text(column)
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    encoded = text.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    if len(values) > MOST_PARTS:
        return []
    codes = encoded.indices.fill_null(len(values)).to_numpy()
    rows = np.split(np.argsort(codes, kind="stable"), np.bincount(codes).cumsum()[:-1])
    return sorted(zip(values, rows, strict=False))


def _classes(tables: AlignedTables, spec: PredictionsSpec) -> Iterator[_Part]:
    """Yield recall and precision of each class; nothing where the target is no class."""
    labels = tables.labels(spec)
    if labels is None:
        return
    old_right = _equal(labels.old, labels.truth)
    new_right = _equal(labels.new, labels.truth)
    for name, rows in _rows_by_value(labels.truth):
        yield _Part(
            PartKind.RECALL,
            name,
            "recall",
            Direction.HIGHER,
            old_right[:, rows].astype(float),
            new_right[:, rows].astype(float),
            rows,
        )
        old_guess, new_guess = _equal(labels.old, name), _equal(labels.new, name)
        if old_guess.any(1).all() and new_guess.any(1).all():
            rows = np.flatnonzero(old_guess.any(0) | new_guess.any(0))
            yield _Part(
                PartKind.PRECISION,
                name,
                "precision",
                Direction.HIGHER,
                _precision(old_guess[:, rows], old_right[:, rows]),
                _precision(new_guess[:, rows], new_right[:, rows]),
                rows,
            )


def _equal(guesses: Sequence[Any], truth: object) -> Array:
    """Tell which guesses are the truth, [seeds, rows]; a missing one is not."""
    equal = []
    for guess in guesses:
        is_right = pc.fill_null(pc.equal(guess, truth), False)
        equal.append(is_right.to_numpy(zero_copy_only=False))
    return np.stack(equal)


def _precision(guessed: Array, right: Array) -> Array:
    """Return values a row whose mean is the precision, and whose spread is its spread.

    guessed: rows predicted as the class; right: rows predicted rightly; all [seeds, rows]. The two
    sides guess other rows, so that their shares do not pair; these linear terms of the ratio do:
    Cochran, Sampling Techniques, 1977, ch. 6.
    """
    hits = guessed & right
    guesses = guessed.mean(1, keepdims=True)
    precision = hits.mean(1, keepdims=True) / guesses
    terms: Array = precision + (hits - precision * guessed) / guesses
    return terms
