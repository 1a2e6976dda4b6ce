"""Measures how far two distributions are apart, and tells drift from chance.

Counts by bin or value in, or sorted values; measures out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from reprise.described import DescribedEnum

LIMIT = 0.1  # of PSI and of total variation: what is less is small, however certain
LEVEL = 0.001  # of the test against chance, over all columns of a table
KS_POINTS = 1000  # values of each side at which the distributions are compared
SortedValues = NDArray[np.float64]  # of a column, [rows]


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


def population_stability(old: Sequence[int], new: Sequence[int], columns: int) -> Drift:
    """Return the population stability index of rows by bin, [bins]: Σ (q − p) ln(q / p).

    columns: how many of the table are tested. p and q are shares of the n old and m new rows. 0.1
    is the usual border of what matters (Siddiqi, Credit Risk Scorecards, 2006, ch. 8). Without
    drift it is (1/n + 1/m) χ² with one degree of freedom less than bins (Yurdakul, Naranjo, Journal
    of Risk Model Validation 14, 2020); that is for independent rows, and two versions that share
    rows differ less. Each bin counts half a row more, so that an empty one has a logarithm.
    """
    old_counts, new_counts = _without_empty(old, new)
    bins = len(old_counts)
    old_rows = old_counts.sum()
    new_rows = new_counts.sum()
    if bins < 2 or 0 in (old_rows, new_rows):
        return Drift(0.0, DriftMeasure.PSI, False)
    p = (old_counts + 0.5) / (old_rows + 0.5 * bins)
    q = (new_counts + 0.5) / (new_rows + 0.5 * bins)
    value = float(((q - p) * np.log(q / p)).sum())
    chance = (1 / old_rows + 1 / new_rows) * chdtri(bins - 1, LEVEL / columns)
    return Drift(value, DriftMeasure.PSI, bool(value >= LIMIT and value > chance))


def total_variation(old: Sequence[int], new: Sequence[int], columns: int) -> Drift:
    """Return the total variation of rows by value, [values]: half of Σ |q − p|.

    columns: how many of the table are tested. p and q are shares of the n old and m new rows. By
    chance it is at most the sum of its mean, at most ½ Σ √(r (1 − r) (1/n + 1/m)) with r the share
    in both versions, and of √(ln(1/level) (1/n + 1/m) / 2), since one row moves it by 1/n
    (McDiarmid, On the method of bounded differences, 1989). This holds for any number of rare
    values, where a χ² test does not.
    """
    old_counts, new_counts = _without_empty(old, new)
    old_rows = old_counts.sum()
    new_rows = new_counts.sum()
    if 0 in (old_rows, new_rows):
        return Drift(0.0, DriftMeasure.TOTAL_VARIATION, False)
    value = float(np.abs(new_counts / new_rows - old_counts / old_rows).sum() / 2)
    share = (old_counts + new_counts) / (old_rows + new_rows)
    spread = 1 / old_rows + 1 / new_rows
    mean = np.sqrt(share * (1 - share) * spread).sum() / 2
    chance = mean + math.sqrt(math.log(columns / LEVEL) * spread / 2)
    flag = bool(value >= LIMIT and value > chance)
    return Drift(value, DriftMeasure.TOTAL_VARIATION, flag)


def _without_empty(
    old: Sequence[int], new: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both counts without the bins that are empty in both versions."""
    old_counts = np.asarray(old, dtype=float)
    new_counts = np.asarray(new, dtype=float)
    filled = old_counts + new_counts > 0
    return old_counts[filled], new_counts[filled]


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
