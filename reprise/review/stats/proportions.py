"""The difference of two proportions over the same rows: McNemar's exact test, Tango's interval, exact power."""

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from reprise.review.stats.intervals import LEVEL, POWER, Estimate

GRID = 401


def proportion_difference(gained: int, lost: int, rows: int, tests: int) -> Estimate:
    """gained: rows that are 1 in new alone; lost: in old alone; of all `rows`."""
    low, high = tango(gained, lost, rows)
    method = "McNemar's exact test, Tango's score interval"
    p, able = exact(gained, lost), detectable(rows, (gained + lost) / rows, LEVEL / tests)
    return Estimate((gained - lost) / rows, low, high, p, able, method)


def exact(gained: int, lost: int) -> float:
    """McNemar 1947, Psychometrika 12, by the binomial distribution: given gained + lost, either is as likely."""
    return min(1.0, 2 * float(stats.binom.cdf(min(gained, lost), gained + lost, 0.5)))


def tango(gained: int, lost: int, rows: int) -> tuple[float, float]:
    """The differences that a score test does not reject: Tango 1998, Statistics in Medicine 17, equations 8 to 12.

    Advised for paired proportions by Fagerland, Lydersen, Laake 2014, Statistics in Medicine 33. At zero its test is
    McNemar's without the exactness, so it can exclude zero where the exact test does not; `compare` widens it then.
    """
    z, middle = float(stats.norm.isf(LEVEL / 2)), (gained - lost) / rows

    def score(d: float) -> float:
        b = -gained - lost + (2 * rows - gained + lost) * d
        q = ((b * b + 8 * rows * lost * d * (1 - d)) ** 0.5 - b) / (4 * rows)
        return float((gained - lost - rows * d) / max(rows * (2 * q + d * (1 - d)), 1e-300) ** 0.5)

    end = 1 - 1e-12
    low = brentq(lambda d: score(d) - z, -end, middle) if lost < rows else -1.0
    high = brentq(lambda d: score(d) + z, middle, end) if gained < rows else 1.0
    return float(low), float(high)


def power(rows: int, gained: float, lost: float, level: float) -> float:
    """The chance that the exact test rejects. gained, lost: the true shares of rows that are 1 in new or old alone.

    Unconditional: over how many rows differ, binomial (Duffy 1984, Biometrics 40), on at most GRID of these numbers.
    """
    share = gained + lost
    few, many = stats.binom.interval(1 - 1e-9, rows, share)
    differ = np.unique(np.linspace(few, many, GRID).round())
    weight = stats.binom.pmf(differ, rows, share)
    most = (
        stats.binom.ppf(level / 2, differ, 0.5) - 1
    )  # rejected when the rarer side has at most so many
    up, down = (
        stats.binom.sf(differ - most - 1, differ, gained / share),
        stats.binom.cdf(most, differ, gained / share),
    )
    return float((weight * (up + down)).sum() / weight.sum())


def detectable(rows: int, share: float, level: float) -> float | None:
    """The smallest true difference found with a chance of POWER, if `share` of the rows differ (or that difference)."""

    def missing(d: float) -> float:
        differ = max(share, d)
        return power(rows, (differ + d) / 2, (differ - d) / 2, level) - POWER

    return float(brentq(missing, 0.5 / rows, 1, xtol=1e-3 / rows)) if missing(1) > 0 else None
