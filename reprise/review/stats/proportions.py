"""Estimates the difference of two proportions over the same rows.

The test is McNemar's exact one, the interval is Tango's, and the power is exact. `gained` are rows
that are 1 in new alone, `lost` those that are 1 in old alone.
"""

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from reprise.review.stats.estimate import LEVEL, POWER, Array, Estimate

GRID = 401  # numbers of differing rows over which the power is summed
TAIL = 1e-9  # chance of numbers of differing rows that are left out of the power
LIMIT = 1 - 1e-12  # the score has a pole at a difference of ±1


def proportion_difference(gained: int, lost: int, rows: int, tests: int | None) -> Estimate:
    """Estimate (gained − lost) / rows. rows: all pairs; tests: the metrics that are tested.

    Without tests, nothing is said of what could be detected: its search is most of the time.
    """
    low, high = tango_interval(gained, lost, rows)
    detectable = None
    if tests is not None:
        detectable = detectable_proportion(rows, (gained + lost) / rows, LEVEL / tests)
    return Estimate(
        difference=(gained - lost) / rows,
        low=low,
        high=high,
        p=mcnemar_p(gained, lost),
        detectable=detectable,
        method="McNemar's exact test, Tango's score interval",
    )


def mcnemar_p(gained: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Given gained + lost, either is as likely. Source: McNemar 1947, Psychometrika 12, by the
    binomial distribution.
    """
    tail = float(stats.binom.cdf(min(gained, lost), gained + lost, 0.5))
    return min(1.0, 2 * tail)


def tango_interval(gained: int, lost: int, rows: int) -> tuple[float, float]:
    """Return the lowest and highest difference that a score test does not reject at LEVEL.

    Source: Tango 1998, Statistics in Medicine 17, equations 8 to 12; advised for paired proportions
    by Fagerland, Lydersen, Laake 2014, Statistics in Medicine 33. At zero its test is McNemar's
    without the exactness, so it can exclude zero where the exact test does not; `compare_metrics`
    widens it then.
    """
    z = float(stats.norm.isf(LEVEL / 2))
    observed = (gained - lost) / rows

    def score(difference: float) -> float:
        return _tango_score(difference, gained, lost, rows)

    low, high = -1.0, 1.0
    if lost < rows:
        low = float(brentq(lambda difference: score(difference) - z, -LIMIT, observed))
    if gained < rows:
        high = float(brentq(lambda difference: score(difference) + z, observed, LIMIT))
    return low, high


def _tango_score(difference: float, gained: int, lost: int, rows: int) -> float:
    """Return Tango's score statistic, normal if `difference` is the true one."""
    b = -gained - lost + (2 * rows - gained + lost) * difference
    root = (b * b + 8 * rows * lost * difference * (1 - difference)) ** 0.5
    q = (root - b) / (4 * rows)  # the likeliest share of lost rows
    variance = rows * (2 * q + difference * (1 - difference))
    return float((gained - lost - rows * difference) / max(variance, 1e-300) ** 0.5)


def mcnemar_power(rows: int, gained: float, lost: float, level: float) -> float:
    """Return the chance that the exact test rejects at `level`.

    gained, lost: the true shares of rows that are 1 in new or old alone. The power is
    unconditional: summed over how many rows differ, a binomial number, on at most GRID of these
    numbers. Source: Duffy 1984, Biometrics 40.
    """
    share = gained + lost
    fewest, most = stats.binom.interval(1 - TAIL, rows, share)
    differing = np.unique(np.linspace(fewest, most, GRID).round())
    weights = stats.binom.pmf(differing, rows, share)
    chances = _rejection_chances(differing, gained / share, level)
    return float((weights * chances).sum() / weights.sum())


def _rejection_chances(differing: Array, gained_share: float, level: float) -> Array:
    """Return for each number of differing rows the chance of rejection, [numbers].

    gained_share: the share of the differing rows that gain. The test rejects where the rarer side
    has at most `limit` rows.
    """
    limit = stats.binom.ppf(level / 2, differing, 0.5) - 1
    few_lost = stats.binom.sf(differing - limit - 1, differing, gained_share)
    few_gained = stats.binom.cdf(limit, differing, gained_share)
    chances: Array = few_lost + few_gained
    return chances


def detectable_proportion(rows: int, share: float, level: float) -> float | None:
    """Return the smallest true difference found with a chance of POWER; None if there is none.

    share: of the rows that differ; at least the difference itself is taken.
    """

    def missing_power(difference: float) -> float:
        differing = max(share, difference)
        gained = (differing + difference) / 2
        lost = (differing - difference) / 2
        return mcnemar_power(rows, gained, lost, level) - POWER

    if missing_power(1) <= 0:
        return None
    return float(brentq(missing_power, 0.5 / rows, 1, xtol=1e-3 / rows))
