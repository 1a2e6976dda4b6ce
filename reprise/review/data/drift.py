"""Measures how far two distributions are apart, and tells drift from chance.

Counts by bin or value in, or sorted values; measures out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtr

from reprise.described import DescribedEnum

LIMIT = 0.1  # of PSI and of total variation: what is less is small, however certain
LEVEL = 0.01  # of the test against chance, over all columns of a table
LEAST_EXPECTED = 5  # rows of the smaller side in a bin of the χ² test
KS_POINTS = 1000  # values of each side at which the distributions are compared
SortedValues = NDArray[np.float64]  # of a column, [rows]
Counts = NDArray[np.float64]  # of rows by bin or value, [bins]


class DriftMeasure(DescribedEnum):
    """Says by what the drift of a column is measured."""

    PSI = "PSI", "population stability index, over tenths of the old values"
    TOTAL_VARIATION = "total variation", "half the sum of |new share − old share| over the values"


@dataclass(frozen=True)
class Drift:
    """Holds the drift of a column. flag: it is beyond LIMIT, and beyond chance."""

    value: float
    measure: DriftMeasure
    flag: bool


def population_stability(
    ordered: tuple[Sequence[int], Sequence[int]], missing: tuple[int, int], tests: int
) -> Drift:
    """Return the population stability index of rows by bin: Σ (q − p) ln(q / p).

    ordered: rows of old and new in each bin, in the order of values; missing: those without a
    value, a bin of their own; tests: how many are made of the table. p and q are shares of either
    side's rows. 0.1 is the usual border of what matters (Siddiqi, Credit Risk Scorecards, 2006, ch.
    8). Each bin counts half a row more, so that an empty one has a logarithm.

    Chance is ruled out by the smaller of two p-values, doubled: of ranks, which sees values that
    move up or down, and of χ², which sees any other change.
    """
    old = np.array([*ordered[0], missing[0]], dtype=float)
    new = np.array([*ordered[1], missing[1]], dtype=float)
    filled = old + new > 0
    bins = np.count_nonzero(filled)
    if bins < 2 or 0 in (old.sum(), new.sum()):
        return Drift(0.0, DriftMeasure.PSI, False)
    p = (old[filled] + 0.5) / (old.sum() + 0.5 * bins)
    q = (new[filled] + 0.5) / (new.sum() + 0.5 * bins)
    value = float(((q - p) * np.log(q / p)).sum())
    chance = 2 * min(rank_p(old[:-1], new[:-1]), chi_square_p(old, new))
    return Drift(value, DriftMeasure.PSI, value >= LIMIT and chance * tests <= LEVEL)


def total_variation(old: Sequence[int], new: Sequence[int], tests: int) -> Drift:
    """Return the total variation of rows by value, [values]: half of Σ |q − p|.

    tests: how many are made of the table. p and q are shares of either side's rows. Chance is ruled
    out by χ², rare values taken together.
    """
    old_counts = np.asarray(old, dtype=float)
    new_counts = np.asarray(new, dtype=float)
    if 0 in (old_counts.sum(), new_counts.sum()):
        return Drift(0.0, DriftMeasure.TOTAL_VARIATION, False)
    shares = new_counts / new_counts.sum() - old_counts / old_counts.sum()
    value = float(np.abs(shares).sum() / 2)
    chance = value_counts_p(old, new)
    flag = value >= LIMIT and chance * tests <= LEVEL
    return Drift(value, DriftMeasure.TOTAL_VARIATION, flag)


def value_counts_p(old: Sequence[int], new: Sequence[int]) -> float:
    """Return the p-value of rows by value, [values], being drawn alike: χ², rare values together.

    Which values are rare, both sides say together: were it one of them, rows of that side alone
    would meet in a bin.
    """
    counts = np.array([old, new], dtype=float)
    if 0 in counts.sum(1):
        return 1.0
    total = counts.sum(0)
    least = LEAST_EXPECTED * total.sum() / counts.sum(1).min()
    by_size = np.argsort(total, kind="stable")
    common = by_size[total[by_size] >= least]
    rare = counts.sum(1) - counts[:, common].sum(1)
    binned = np.column_stack([counts[:, common], rare])  # too few rare ones join the commonest
    return chi_square_p(binned[0], binned[1])


def chi_square_p(old: Counts, new: Counts) -> float:
    """Return the p-value of Pearson's χ² test that both sides' rows fall into the bins alike.

    Neighbours are merged until the smaller side has LEAST_EXPECTED rows to expect in each: Cochran
    1954, Biometrics 10.
    """
    smaller = min(old.sum(), new.sum()) / (old.sum() + new.sum())
    old, new = _merged(old, new, LEAST_EXPECTED / smaller)
    bins = len(old)
    if bins < 2:
        return 1.0
    pooled = (old + new) / (old.sum() + new.sum())
    spread = pooled * (1 / old.sum() + 1 / new.sum())
    shares = new / new.sum() - old / old.sum()
    return float(chdtrc(bins - 1, (shares**2 / spread).sum()))


def _merged(old: Counts, new: Counts, least: float) -> tuple[Counts, Counts]:
    """Merge each bin of fewer rows than `least` with those that follow; the last with the rest."""
    starts = []
    rows = least
    for position, count in enumerate(old + new):
        if rows >= least:
            starts.append(position)
            rows = 0.0
        rows += count
    if rows < least and len(starts) > 1:
        starts.pop()
    return np.add.reduceat(old, starts), np.add.reduceat(new, starts)


def rank_p(old: Counts, new: Counts) -> float:
    """Return the p-value of the rank sum test of rows in ordered bins, [bins]: Wilcoxon's.

    Rows of one bin share their middle rank. Source: Wilcoxon 1945, Biometrics Bulletin 1, with the
    variance for ties of Lehmann, Nonparametrics, 1975, ch. 1.
    """
    both = old + new
    rows, old_rows, new_rows = both.sum(), old.sum(), new.sum()
    if 0 in (old_rows, new_rows):
        return 1.0
    ranks = both.cumsum() - (both - 1) / 2
    excess = (new * ranks).sum() - new_rows * (rows + 1) / 2
    ties = 1 - (both**3 - both).sum() / (rows**3 - rows)
    variance = old_rows * new_rows * (rows + 1) / 12 * ties
    if variance <= 0:
        return 1.0
    return float(2 * ndtr(-abs(excess) / math.sqrt(variance)))


def kolmogorov_smirnov(old: SortedValues, new: SortedValues) -> float:
    """Return the distance max |F_new − F_old| of the cumulative distributions; 0 without values.

    Exact, or with more than KS_POINTS values to 1 / KS_POINTS. Source: Smirnov 1948, Annals of
    Mathematical Statistics 19.
    """
    if 0 in (len(old), len(new)):
        return 0.0
    points = np.concatenate([*_spread_points(old), *_spread_points(new)])
    old_shares = np.searchsorted(old, points, side="right") / len(old)
    new_shares = np.searchsorted(new, points, side="right") / len(new)
    return float(np.abs(new_shares - old_shares).max())


def _spread_points(values: SortedValues) -> list[SortedValues]:
    """Return KS_POINTS of the values at most, evenly spread by rank, and the greatest."""
    step = math.ceil(len(values) / KS_POINTS)
    return [values[::step], values[-1:]]
