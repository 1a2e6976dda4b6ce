"""Compares the rows that only one of two revisions has."""

import numpy as np

from reprise.review.stats.estimate import MIN_UNITS, round_result
from reprise.review.stats.intervals import two_sample_interval
from reprise.review.stats.pairing import PairedPredictions, number_groups
from reprise.review.stats.results import Unpaired
from reprise.review.stats.units import count_units


def compare_unpaired(predictions: PairedPredictions, column: str) -> Unpaired | None:
    """Compare the means of the column over the rows that have no pair.

    None where a side has no such rows, or one of them lacks a value. Seeds are averaged, so their
    variation is not in this interval. There is no interval where a side has fewer than MIN_UNITS
    units.
    """
    old, new = predictions.old, predictions.new
    only_old, only_new = predictions.only_old, predictions.only_new
    if 0 in (len(only_old), len(only_new)):
        return None
    if column not in old.values or column not in new.values:
        return None
    old_values = old.values[column][:, only_old].mean(0)
    new_values = new.values[column][:, only_new].mean(0)
    if not np.isfinite(np.concatenate([old_values, new_values])).all():
        return None

    old_group = number_groups(old.groups, only_old)
    new_group = number_groups(new.groups, only_new)
    old_units = count_units(len(old_values), old_group)
    new_units = count_units(len(new_values), new_group)
    low = high = None
    if min(old_units, new_units) >= MIN_UNITS:
        interval = two_sample_interval(old_values, new_values, old_group, new_group)
        low, high = map(round_result, interval)
    return Unpaired(
        rows_old=len(old_values),
        rows_new=len(new_values),
        old=round_result(old_values.mean()),
        new=round_result(new_values.mean()),
        difference=round_result(new_values.mean() - old_values.mean()),
        low=low,
        high=high,
    )
