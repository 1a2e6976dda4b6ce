"""Cuts sorted values into bins: tenths of the old values for PSI, and even bins for histograms."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reprise.review.data.drift import SortedValues

LONG_TAIL = 10  # times the range of the inner 98 % of the values


def count_by_bin(values: SortedValues, borders: Sequence[float]) -> list[int]:
    """Count the values up to each border, and beyond the last; [borders + 1]."""
    positions = np.searchsorted(values, np.asarray(borders, dtype=float), side="right")
    counts: list[int] = np.diff(positions, prepend=0, append=len(values)).tolist()
    return counts


def decile_borders(values: SortedValues) -> list[float]:
    """Return the upper borders of PSI's bins, tenths of the values.

    Two more bins are for what is below the least and above the greatest value. A value that is a
    tenth of all or more has a bin of its own: it could move to its neighbour unseen.
    """
    if not len(values):
        return []
    ranks = [math.ceil(len(values) * tenth / 10) - 1 for tenth in range(1, 11)]
    deciles = values[ranks]
    repeated = deciles[1:][deciles[1:] == deciles[:-1]]
    borders: list[float] = np.unique([*just_below([values[0], *repeated]), *deciles]).tolist()
    return borders


def just_below(borders: Sequence[float]) -> list[float]:
    """Return the next smaller numbers.

    They are borders of bins that hold their lower border, not their upper one.
    """
    below: list[float] = np.nextafter(borders, -np.inf).tolist()
    return below


def histogram_edges(
    old: SortedValues, new: SortedValues, bins: int, *, whole_numbers: bool
) -> list[float]:
    """Return the edges of `bins` bins at most, from the least to the greatest value of both sides.

    All bins are of one width; of whole numbers, each holds as many. Where tails are long, the outer
    two bins hold all of them. Without values, or if they are too far apart, there are no edges.
    """
    sides = [values for values in (old, new) if len(values)]
    if not sides:
        return []
    low, high = _quantile_range(sides, 0, 1)
    if not math.isfinite(high - low):
        return []
    inner_low, inner_high = _quantile_range(sides, 0.01, 0.99)
    if 0 < LONG_TAIL * (inner_high - inner_low) < high - low:
        inner_edges = np.linspace(inner_low, inner_high, bins - 1)
        return _distinct(np.asarray([low, *inner_edges, high]))
    if whole_numbers:
        return _whole_number_edges(low, high, bins)
    if high > low:
        return _distinct(np.linspace(low, high, bins + 1))
    return [low, high]


def _quantile_range(
    sides: Sequence[SortedValues], low_share: float, high_share: float
) -> tuple[float, float]:
    """Return the lowest low quantile and the highest high quantile of the sides."""
    low = min(_quantile(values, low_share) for values in sides)
    high = max(_quantile(values, high_share) for values in sides)
    return low, high


def _distinct(edges: NDArray[np.float64]) -> list[float]:
    distinct: list[float] = np.unique(edges).tolist()
    return distinct


def _whole_number_edges(low: float, high: float, bins: int) -> list[float]:
    """Return edges halfway between whole numbers, with as many of these in each bin."""
    count = high - low + 1
    width = math.ceil(count / bins)
    bins_needed = math.ceil(count / width)
    edges: list[float] = (low - 0.5 + width * np.arange(bins_needed + 1)).tolist()
    return edges


def _quantile(values: SortedValues, share: float) -> float:
    return float(values[int((len(values) - 1) * share)])
