"""Finds where a metric moved: the same paired test in each class and each declared slice."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprise.described import DescribedEnum
from reprise.review.declared import Direction, PredictionsSpec
from reprise.review.stats.estimate import LEVEL, Array, round_result
from reprise.review.stats.holm import holm_adjusted
from reprise.review.stats.pairing import pair_rows
from reprise.review.stats.prediction_arrays import load_arrays
from reprise.review.stats.results import MetricComparison, Verdict
from reprise.review.stats.text_columns import as_text, is_readable
from reprise.review.stats.verdicts import compare_metrics

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
    """Holds what is compared of a part: a value for each of its rows, on either side."""

    kind: PartKind
    name: str
    metric: str
    better: Direction
    old: Array
    new: Array
    rows: Array  # positions among the pairs


def compare_parts(old: pa.Table, new: pa.Table, spec: PredictionsSpec) -> list[PartComparison]:
    """Compare each class and slice that has enough rows, and return the worst first.

    Classes and slices of a row are those of the new side.
    """
    predictions = pair_rows(*load_arrays([old], [new], spec))
    old = old.take(pa.array(predictions.old_rows))
    new = new.take(pa.array(predictions.new_rows))
    judged = []
    for part in [*_classes(old, new, spec), *_slices(old, new, spec)]:
        group = None
        if predictions.group is not None:
            group = predictions.group[part.rows]
        result = _compare(part, group)
        if result.p_value is not None:
            judged.append(PartComparison(part.kind, part.name, len(part.rows), result))
    return sorted(_adjusted(judged), key=_badness)


def _compare(part: _Part, group: Array | None) -> MetricComparison:
    """Compare the part's rows as if they were all."""
    sides = []
    for values in (part.old, part.new):
        columns = {"id": np.arange(len(values)), "value": values}
        if group is not None:
            columns["group"] = group
        sides.append([pa.table(columns)])
    metric = {"column": "value", "better": part.better}
    declaration = {"metrics": {part.metric: metric}, "group": None if group is None else "group"}
    comparison = compare_metrics(sides[0], sides[1], PredictionsSpec.model_validate(declaration))
    return comparison.primary


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


def _slices(old: pa.Table, new: pa.Table, spec: PredictionsSpec) -> Iterator[_Part]:
    """Yield the slices, with the first metric in order that is a mean over any rows."""
    first = spec.first_mean
    if first is None:
        return
    name, metric = first
    if metric.column not in old.column_names or metric.column not in new.column_names:
        return
    old_values = _numbers(old, metric.column)
    new_values = _numbers(new, metric.column)
    for column in spec.slices:
        for value, rows in _rows_by_value(new[column]):
            title = f"{column} = {value}"
            yield _Part(
                PartKind.SLICE, title, name, metric.better, old_values[rows], new_values[rows], rows
            )


def _numbers(table: pa.Table, column: str) -> Array:
    numbers: Array = table[column].cast(pa.float64(), safe=False).to_numpy()
    return numbers


def _rows_by_value(column: pa.ChunkedArray) -> list[tuple[str, Array]]:
    """Return the rows of each value, the missing ones left out; nothing of too many values."""
    encoded = as_text(column).combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    if len(values) > MOST_PARTS:
        return []
    codes = encoded.indices.fill_null(len(values)).to_numpy()
    rows = np.split(np.argsort(codes, kind="stable"), np.bincount(codes).cumsum()[:-1])
    return sorted(zip(values, rows, strict=False))


def _classes(old: pa.Table, new: pa.Table, spec: PredictionsSpec) -> Iterator[_Part]:
    """Yield recall and precision of each class; nothing where the target is no class."""
    columns = {spec.target, spec.prediction}
    if not columns <= {*old.column_names} & {*new.column_names}:
        return
    if any(pa.types.is_floating(new[column].type) for column in columns):
        return
    labels = [new[spec.target], old[spec.prediction], new[spec.prediction]]
    if not all(is_readable(column.type) for column in labels):
        return
    truth, *guesses = map(as_text, labels)
    old_right, new_right = [_equal(guess, truth) for guess in guesses]
    for name, rows in _rows_by_value(truth):
        yield _Part(
            PartKind.RECALL,
            name,
            "recall",
            Direction.HIGHER,
            old_right[rows].astype(float),
            new_right[rows].astype(float),
            rows,
        )
        old_guess, new_guess = [_equal(guess, name) for guess in guesses]
        if old_guess.any() and new_guess.any():
            rows = np.flatnonzero(old_guess | new_guess)
            yield _Part(
                PartKind.PRECISION,
                name,
                "precision",
                Direction.HIGHER,
                _precision(old_guess[rows], old_right[rows]),
                _precision(new_guess[rows], new_right[rows]),
                rows,
            )


def _equal(guesses: pa.ChunkedArray, truth: object) -> Array:
    """Tell which guesses are the truth, [rows]; a missing one is not."""
    equal: Array = pc.fill_null(pc.equal(guesses, truth), False).to_numpy()
    return equal


def _precision(guessed: Array, right: Array) -> Array:
    """Return values a row whose mean is the precision, and whose spread is its spread.

    guessed: rows predicted as the class; right: rows predicted rightly. The two sides guess other
    rows, so that their shares do not pair; these linear terms of the ratio do: Cochran, Sampling
    Techniques, 1977, ch. 6.
    """
    hits = guessed & right
    precision = hits.sum() / guessed.sum()
    terms: Array = precision + (hits - precision * guessed) / guessed.mean()
    return terms
