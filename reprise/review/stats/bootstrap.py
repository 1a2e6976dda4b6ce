"""Resamples units for the symmetric studentised bootstrap of a mean."""

import numpy as np
from scipy import stats

from reprise.review.stats.estimate import LEVEL, Array

RESAMPLES = 10_000
CHUNK = 1_000_000  # drawn units that are in memory at a time
MIN_SPREAD = 1e-12  # relative; a resample of less has no error to divide by


def resampled_t(sums: Array, sizes: Array, rng: np.random.Generator) -> Array:
    """Return |t*| of each resample of units: a ratio mean over its cluster-robust standard error.

    sums, sizes: of the units, [units], as `unit_sums` returns them. Resamples of zero error are
    left out, so the result is [RESAMPLES] or shorter. Source: Hall 1988 (see `mean_difference`).
    """
    units = len(sums)
    chunk = max(1, CHUNK // units)
    terms = np.stack([sums, sizes, sums**2, sums * sizes, sizes**2], axis=1)
    drawn = []
    for first in range(0, RESAMPLES, chunk):
        resamples = min(chunk, RESAMPLES - first)
        counts = _draw_counts(units, resamples, rng)
        total, rows, squares, cross, rows_squared = (counts @ terms).T
        mean = total / rows
        spread = squares - 2 * mean * cross + mean**2 * rows_squared
        usable = spread > MIN_SPREAD * squares.max()
        error = np.sqrt(units / (units - 1) * spread[usable])
        drawn.append(np.abs(total[usable]) / error)
    return np.concatenate(drawn)


def _draw_counts(units: int, resamples: int, rng: np.random.Generator) -> Array:
    """Return how often each unit is drawn in each resample, [resamples, units]."""
    drawn = rng.integers(units, size=(resamples, units))
    cells = drawn + np.arange(resamples)[:, None] * units
    counts = np.bincount(cells.ravel(), minlength=resamples * units)
    return counts.reshape(resamples, units).astype(float)


def critical_value(drawn: Array, level: float) -> float:
    """Return the value that |t| must exceed for `resampled_p` to be at most `level`."""
    allowed = int(level * (len(drawn) + 1)) - 1
    return float(np.sort(drawn)[-1 - max(allowed, 0)])


def resampled_p(drawn: Array, t: float) -> float:
    """Return (1 + how many of |t*| are as large as t) / (1 + how many there are)."""
    as_large = int((drawn >= t).sum())
    return (as_large + 1) / (len(drawn) + 1)


def skew_widening(sums: Array) -> float:
    """Return the ratio of the bootstrap's 95 % quantile to Student's.

    It is taken to the first order in 1/units, and at least 1. sums: of the units, [units]. Source:
    the Edgeworth expansion of the studentised mean, Hall 1992, The Bootstrap and Edgeworth
    Expansion, chapter 2. One far outlier makes it up to twice as wide, and the bootstrap too.
    """
    x = stats.norm.isf(LEVEL / 2)
    skew = stats.skew(sums)
    kurtosis = stats.kurtosis(sums)
    term = skew**2 * (x**4 + 2 * x**2 - 3) / 18 - kurtosis * (x**2 - 3) / 12
    return float(1 + max(0.0, term / len(sums)))
