"""Finds the test rows whose result changed most."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprise.review.declared import Direction, MetricSpec, PredictionsSpec
from reprise.review.stats.estimate import Array
from reprise.review.stats.pairing import pair_rows
from reprise.review.stats.prediction_arrays import load_arrays
from reprise.review.stats.text_columns import is_readable

LISTED_ROWS = 10  # of those fixed, and of those broken
Value = str | int | float | bool | None


@dataclass(frozen=True)
class ChangedRow:
    """Holds a test row whose result changed.

    old, new: the predictions; change: new − old of the listed metric's column; old_value,
    new_value: of that column; old_confidence, new_confidence: of the predictions, None where no
    column of them is declared.
    """

    id: Value
    target: Value
    old: Value
    new: Value
    change: float
    old_value: float | None = None
    new_value: float | None = None
    old_confidence: float | None = None
    new_confidence: float | None = None


@dataclass(frozen=True)
class ChangedRows:
    """Counts the rows that the new side does better (fixed) and worse (broken), by one metric.

    top_fixed, top_broken: those that changed most by the listed metric, LISTED_ROWS at most; name:
    of that metric.
    """

    fixed: int
    broken: int
    top_fixed: list[ChangedRow]
    top_broken: list[ChangedRow]
    name: str = ""


@dataclass(frozen=True)
class _Pairs:
    """Holds the pairs of rows: old and new values of each metric, [pairs], and tables to show."""

    values: dict[str, tuple[Array, Array]]
    old: pa.Table
    new: pa.Table


def find_changed_rows(old: pa.Table, new: pa.Table, spec: PredictionsSpec) -> ChangedRows | None:
    """Count the rows that changed by the first metric of both sides, and list the most changed.

    They are listed by the first metric that is more than right or wrong, such as a loss: of that,
    few rows changed alike. None where the sides have no metric in common that is a mean of rows.
    """
    predictions = pair_rows(*load_arrays([old], [new], spec))
    values = {}
    for name, metric in spec.metrics.items():
        sides = predictions.values(metric.column)
        if sides is not None and not metric.same_rows:
            values[name] = (sides[0][0], sides[1][0])
    if not values:
        return None
    first = next(iter(values))
    pairs = _Pairs(
        values,
        old.take(pa.array(predictions.old_rows)),
        new.take(pa.array(predictions.new_rows)),
    )
    gains = _gains(values[first], spec.metrics[first])
    listed = _graded(values) or first
    by_listed = _gains(values[listed], spec.metrics[listed])
    return ChangedRows(
        fixed=int((gains > 0).sum()),
        broken=int((gains < 0).sum()),
        top_fixed=_most_changed(pairs, listed, by_listed, spec),
        top_broken=_most_changed(pairs, listed, -by_listed, spec),
        name=listed,
    )


def _gains(sides: tuple[Array, Array], metric: MetricSpec) -> Array:
    """Return how much better each row is, [pairs]; 0 where a value is missing."""
    old, new = sides
    gains = new - old
    if metric.better is Direction.LOWER:
        gains = old - new
    return np.where(np.isfinite(gains), gains, 0.0)


def _graded(values: dict[str, tuple[Array, Array]]) -> str | None:
    """Find the first metric whose values are more than zeros and ones."""
    for name, sides in values.items():
        if any(((side != 0) & (side != 1)).any() for side in sides):
            return name
    return None


def _most_changed(
    pairs: _Pairs, name: str, gains: Array, spec: PredictionsSpec
) -> list[ChangedRow]:
    """List the rows of the highest gains above 0, those of equal gains by id."""
    candidates = np.flatnonzero(gains > 0)
    if len(candidates) > LISTED_ROWS:
        least = np.partition(gains[candidates], -LISTED_ROWS)[-LISTED_ROWS]
        candidates = candidates[gains[candidates] >= least]
    ids = pairs.new[spec.id].take(pa.array(candidates))
    table = pa.table({"id": ids, "gain": gains[candidates], "row": candidates})
    table = table.sort_by([("gain", "descending"), ("id", "ascending")])
    old, new = pairs.values[name]
    rows = []
    for row in table["row"].to_pylist()[:LISTED_ROWS]:
        changed = ChangedRow(
            id=_value(pairs.new, spec.id, row),
            target=_value(pairs.new, spec.target, row),
            old=_value(pairs.old, spec.prediction, row),
            new=_value(pairs.new, spec.prediction, row),
            change=_rounded(new[row] - old[row]),
            old_value=_rounded(old[row]),
            new_value=_rounded(new[row]),
            old_confidence=_confidence(pairs.old, spec, row),
            new_confidence=_confidence(pairs.new, spec, row),
        )
        rows.append(changed)
    return rows


def _value(table: pa.Table, column: str | None, row: int) -> Any:
    """Return a value of the table; None where the column is missing, or holds no single values."""
    if column not in table.column_names or not is_readable(table[column].type):
        return None
    return table[column][row].as_py()


def _confidence(table: pa.Table, spec: PredictionsSpec, row: int) -> float | None:
    if spec.calibration is None:
        return None
    column = spec.calibration.confidence
    if column not in table.column_names:
        return None
    value = pc.cast(table[column].slice(row, 1), pa.float64())[0].as_py()
    if value is None:
        return None
    return _rounded(value)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
