"""Finds the test rows whose result changed most."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprise.review.declared import Direction, MetricSpec, PredictionsSpec
from reprise.review.stats.aligned import AlignedTables
from reprise.review.stats.estimate import Array
from reprise.review.stats.prediction_arrays import read_numbers
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


def find_changed_rows(tables: AlignedTables, spec: PredictionsSpec) -> ChangedRows | None:
    """Count the rows that changed by the first metric of both sides, and list the most changed.

    tables: the first of either side is looked at. Rows are listed by the first metric that is more
    than right or wrong, such as a loss: of that, few rows changed alike. None where the sides have
    no metric in common that is a mean of rows.
    """
    old, new = tables.old[0], tables.new[0]
    values = {}
    for name, metric in spec.metrics.items():
        column = metric.column
        if column in old.column_names and column in new.column_names and not metric.same_rows:
            values[name] = read_numbers("old", old, column), read_numbers("new", new, column)
    if not values:
        return None
    first = next(iter(values))
    gains = _gains(values[first], spec.metrics[first])
    listed = _graded(values) or first
    by_listed = _gains(values[listed], spec.metrics[listed])
    return ChangedRows(
        fixed=int((gains > 0).sum()),
        broken=int((gains < 0).sum()),
        top_fixed=_most_changed(tables, values[listed], by_listed, spec),
        top_broken=_most_changed(tables, values[listed], -by_listed, spec),
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
    tables: AlignedTables, values: tuple[Array, Array], gains: Array, spec: PredictionsSpec
) -> list[ChangedRow]:
    """List the rows of the highest gains above 0, those of equal gains by id.

    values: old and new ones of the metric, [pairs]; gains: by it, [pairs].
    """
    old, new = tables.old[0], tables.new[0]
    old_values, new_values = values
    candidates = np.flatnonzero(gains > 0)
    if len(candidates) > LISTED_ROWS:
        least = np.partition(gains[candidates], -LISTED_ROWS)[-LISTED_ROWS]
        candidates = candidates[gains[candidates] >= least]
    ids = new[spec.id].take(pa.array(candidates))
    table = pa.table({"id": ids, "gain": gains[candidates], "row": candidates})
    table = table.sort_by([("gain", "descending"), ("id", "ascending")])
    rows = []
    for row in table["row"].to_pylist()[:LISTED_ROWS]:
        changed = ChangedRow(
            id=_value(new, spec.id, row),
            target=_value(new, spec.target, row),
            old=_value(old, spec.prediction, row),
            new=_value(new, spec.prediction, row),
            change=_rounded(new_values[row] - old_values[row]),
            old_value=_rounded(old_values[row]),
            new_value=_rounded(new_values[row]),
            old_confidence=_confidence(old, spec, row),
            new_confidence=_confidence(new, spec, row),
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
