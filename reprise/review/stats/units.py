"""Sums rows by unit, for the variance of a mean.

A *unit* is what is drawn independently: a group of rows, or without groups a single row.
`group` is an array of a number for each row, [rows], equal for the rows of one group.
"""

import numpy as np

from reprise.review.stats.estimate import Array


def unit_sums(values: Array, group: Array | None) -> tuple[Array, Array]:
    """Return for each unit the sum of value − mean(values), and its number of rows; both [units].

    values: [rows].
    """
    deviations = values - values.mean()
    if group is None:
        return deviations, np.ones(len(values))
    return np.bincount(group, deviations), np.bincount(group).astype(float)


def count_units(rows: int, group: Array | None) -> int:
    """Return the number of groups, or without groups that of the rows."""
    if group is None:
        return rows
    return int(group.max(initial=-1)) + 1


def variance_of_mean(values: Array, group: Array | None) -> float:
    """Return the variance of the mean of the values, [rows]: s²/n.

    With groups it is the cluster-robust variance, with the factor G/(G−1). Source: Cameron and
    Miller 2015, J. Human Resources 50, equation 11, for a mean.
    """
    sums, _ = unit_sums(values, group)
    units = len(sums)
    return float(units / (units - 1) * (sums**2).sum() / len(values) ** 2)
