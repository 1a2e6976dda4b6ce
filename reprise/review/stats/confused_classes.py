"""Compares which classes are taken for which others, old beside new."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from reprise.review.declared import PredictionsSpec
from reprise.review.stats.aligned import AlignedTables
from reprise.review.stats.estimate import LEVEL, Array, round_result
from reprise.review.stats.holm import holm_adjusted

MOST_CLASSES = 1000
LISTED = 100  # pairs of classes


@dataclass(frozen=True)
class ConfusedClasses:
    """Counts the paired rows of one class that are predicted as another.

    old, new: rows, the mean over seeds; p_value: of no change, Holm-adjusted over all pairs of
    classes, None where it was not tested: rows in groups, or several seeds.
    """

    target: str
    prediction: str
    old: float
    new: float
    p_value: float | None

    @property
    def is_beyond_noise(self) -> bool:
        """Tell whether the rows that changed point one way, beyond chance."""
        return self.p_value is not None and self.p_value <= LEVEL


def compare_confused(tables: AlignedTables, spec: PredictionsSpec) -> list[ConfusedClasses]:
    """List the pairs of classes whose number of rows changed most, LISTED at most.

    The truth is that of the new side. Nothing where target or prediction are no classes. The test
    is McNemar's exact one, of the rows that are of the pair on one side alone.
    """
    labels = tables.labels(spec)
    if labels is None:
        return []
    names, codes = _encode([labels.truth, *labels.old, *labels.new])
    if len(names) > MOST_CLASSES:
        return []
    truth, *guesses = codes
    old, new = guesses[: len(labels.old)], guesses[len(labels.old) :]
    cells = len(names) ** 2
    old_cells = [_cells(truth, guess, len(names)) for guess in old]
    new_cells = [_cells(truth, guess, len(names)) for guess in new]
    before = _mean_counts(old_cells, cells)
    after = _mean_counts(new_cells, cells)
    wrong = np.flatnonzero(before + after)
    wrong = wrong[wrong // len(names) != wrong % len(names)]
    p_values: list[float] | None = None
    if len(old) == len(new) == 1 and tables.group is None:
        p_values = holm_adjusted(_mcnemar(old_cells[0], new_cells[0], cells)[wrong].tolist())
    changes = []
    for position, cell in enumerate(wrong.tolist()):
        if before[cell] == after[cell]:
            continue
        p = None
        if p_values is not None:
            p = round_result(p_values[position])
        target, prediction = divmod(cell, len(names))
        change = ConfusedClasses(
            names[target], names[prediction], float(before[cell]), float(after[cell]), p
        )
        changes.append(change)
    changes.sort(key=lambda c: (-abs(c.new - c.old), c.target, c.prediction))
    return changes[:LISTED]


def _encode(columns: Sequence[Any]) -> tuple[list[str], list[Array]]:
    """Number the labels in their order; a missing one is −1."""
    names = sorted(set().union(*(pc.unique(column).drop_null().to_pylist() for column in columns)))
    known = pa.array(names, pa.string())
    codes = []
    for column in columns:
        indices = pc.fill_null(pc.index_in(column, value_set=known), -1)
        codes.append(indices.to_numpy(zero_copy_only=False))
    return names, codes


def _cells(truth: Array, guess: Array, classes: int) -> Array:
    """Number the pair of classes of each row, [rows]; −1 where one is missing."""
    cells: Array = np.where((truth < 0) | (guess < 0), -1, truth.astype(int) * classes + guess)
    return cells


def _mean_counts(sides: Sequence[Array], cells: int) -> Array:
    counts = [np.bincount(side[side >= 0], minlength=cells) for side in sides]
    mean: Array = np.mean(counts, axis=0)
    return mean


def _mcnemar(old: Array, new: Array, cells: int) -> Array:
    """Return the two-sided p-value of McNemar's exact test for each pair of classes, [cells]."""
    differs = old != new
    lost = np.bincount(old[differs & (old >= 0)], minlength=cells)
    gained = np.bincount(new[differs & (new >= 0)], minlength=cells)
    tails = stats.binom.cdf(np.minimum(lost, gained), lost + gained, 0.5)
    p_values: Array = np.minimum(1.0, 2 * tails)
    return p_values
