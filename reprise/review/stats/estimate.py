"""Holds what the methods of estimation share: level, power, and the form of the result."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

Array = np.ndarray
LEVEL = 0.05  # of the test; intervals are of 1 − LEVEL
POWER = 0.8
MIN_UNITS = 20  # rows, or groups of rows, that an interval needs


@dataclass(frozen=True)
class Estimate:
    """Holds a difference of two means, new − old, in the metric's unit.

    low, high: its 95 % interval; p: two-sided, of no difference; detectable: the true difference
    that would be found with a chance of POWER, None where these rows could show none.
    """

    difference: float
    low: float
    high: float
    p: float
    detectable: float | None
    method: str


def is_zero_one(values: Array) -> bool:
    """Tell whether all values are zeros and ones."""
    return bool(((values == 0) | (values == 1)).all())


def detectable_difference(error: float, degrees: float, tests: int | None) -> float | None:
    """Return the difference found with a chance of POWER: (t₁₋α/₂ + t_power) standard errors.

    error: the standard error; degrees: of freedom; tests: the metrics that are tested, so that
    α is LEVEL / tests, the level of Holm's first step; None gives None. Source: Cohen 1988,
    Statistical Power Analysis, chapter 2, and Bloom 1995, Evaluation Review 19.
    """
    if tests is None:
        return None
    t_level = stats.t.isf(LEVEL / tests / 2, degrees)
    t_power = stats.t.ppf(POWER, degrees)
    return float(error * (t_level + t_power))


def round_result(value: float) -> float:
    """Round to 10 significant digits: the last bits of sums differ between machines."""
    return float(f"{value:.10g}")
