"""Estimates how often a new training of the new recipe beats one of the old."""

from scipy import stats

from reprise.review.stats.estimate import LEVEL, Array, round_result
from reprise.review.stats.results import Superiority

MIN_TRAININGS = 2  # of either side


def probability_of_superiority(old: Array, new: Array, *, higher: bool) -> Superiority | None:
    """Estimate P(new better than old) + ½ P(equal) of one training a side, on these rows.

    old, new: the metric of each training, [trainings]; higher: whether higher values are better.
    None where a side has fewer than MIN_TRAININGS.

    Mann and Whitney's U / (m n) (Ann. Math. Statist. 18, 1947, 50–60). Its interval is Newcombe's
    method 5 (Statistics in Medicine 25, 2006, 559–573), as the R packages auRoc and SingleCaseES
    have it: the θ at which |θ − estimate| is z standard errors of θ, with Hanley and McNeil's
    variance (Radiology 143, 1982, 29–36) and (m + n) / 2 in place of m and n in its terms.
    """
    if min(len(old), len(new)) < MIN_TRAININGS:
        return None
    differences = new[:, None] - old[None]
    if not higher:
        differences = -differences
    wins = (differences > 0).mean() + (differences == 0).mean() / 2
    estimate = float(wins)
    low = _limit(estimate, 0.0, len(old), len(new))
    high = _limit(estimate, 1.0, len(old), len(new))
    return Superiority(round_result(estimate), round_result(low), round_result(high))


def _limit(estimate: float, outer: float, m: int, n: int) -> float:
    """Find by bisection where the estimate is z standard errors away; outer: 0 or 1."""
    z = stats.norm.isf(LEVEL / 2)
    inside, outside = estimate, outer
    for _ in range(60):
        middle = (inside + outside) / 2
        if abs(middle - estimate) <= z * _variance(middle, m, n) ** 0.5:
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _variance(theta: float, m: int, n: int) -> float:
    others = (m + n) / 2 - 1
    terms = (1 - theta) / (2 - theta) + theta / (1 + theta)
    return theta * (1 - theta) * (1 + others * terms) / (m * n)
