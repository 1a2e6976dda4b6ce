"""Estimates the difference of models that were each trained with several seeds."""

from scipy import stats

from reprise.review.stats.estimate import LEVEL, Array, Estimate, detectable_difference
from reprise.review.stats.units import count_units, variance_of_mean


def seeds_difference(old: Array, new: Array, group: Array | None, tests: int | None) -> Estimate:
    """Estimate new − old over rows × training seeds, both random.

    So the difference is that of models trained with any seed, on any rows.

    old, new: [seeds, rows], not necessarily as many seeds; group: [rows]; tests: the metrics that
    are tested, or None.

    Variance = that of the mean over rows of the seed-averaged difference, plus for each side
    (between seeds − what rows alone make of it)⁺ / seeds: moment estimates of the crossed two-way
    layout (Searle, Casella, McCulloch 1992, Variance Components, chapter 4), as for readers × cases
    (Obuchowski and Rockette 1995, Commun. Statist. Simul. 24). Degrees of freedom: Satterthwaite
    1946, Biometrics Bulletin 2, with the seed mean squares untruncated, as Hillis 2007, Statistics
    in Medicine 26. A side of one seed is taken to vary as the other does.
    """
    differences = new.mean(0) - old.mean(0)
    over_rows = variance_of_mean(differences, group)
    row_degrees = count_units(len(differences), group) - 1
    variance = over_rows
    uncertainty = over_rows**2 / row_degrees
    for side, weight in _weighted_sides(old, new):
        between, noise = _between_seeds(side, group)
        variance += weight * max(0.0, between - noise)
        uncertainty += (weight * between) ** 2 / (len(side) - 1)

    error = variance**0.5
    mean = float(differences.mean())
    degrees = variance**2 / uncertainty if uncertainty else row_degrees
    half_width = stats.t.isf(LEVEL / 2, degrees) * error
    return Estimate(
        difference=mean,
        low=mean - half_width,
        high=mean + half_width,
        p=_two_sided_p(mean, error, degrees),
        detectable=detectable_difference(error, degrees, tests),
        method=f"t interval over rows and training seeds, {degrees:.1f} degrees of freedom",
    )


def _two_sided_p(mean: float, error: float, degrees: float) -> float:
    if not error:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / error, degrees))


def _weighted_sides(old: Array, new: Array) -> list[tuple[Array, float]]:
    """Return the sides of several seeds, each with the weight of its variance between seeds."""
    if len(old) == 1:
        return [(new, 1 + 1 / len(new))]
    if len(new) == 1:
        return [(old, 1 + 1 / len(old))]
    return [(old, 1 / len(old)), (new, 1 / len(new))]


def _between_seeds(values: Array, group: Array | None) -> tuple[float, float]:
    """Return the variance of the seeds' means, and how much of it is the rows' noise.

    The noise is what the rows alone would make of it if seeds did not differ.

    values: [seeds, rows].
    """
    means = values.mean(1)
    residuals = values - means[:, None] - values.mean(0) + means.mean()
    noise = sum(variance_of_mean(row, group) for row in residuals) / (len(values) - 1)
    return float(means.var(ddof=1)), noise
