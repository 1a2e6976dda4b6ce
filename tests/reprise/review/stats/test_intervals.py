"""Compares each method with statsmodels, scipy or a published answer."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from reprise.review.stats.bootstrap import critical_value, resampled_t, skew_widening
from reprise.review.stats.estimate import LEVEL, detectable_difference
from reprise.review.stats.holm import holm_adjusted
from reprise.review.stats.intervals import mean_difference, two_sample_interval
from reprise.review.stats.proportions import (
    detectable_proportion,
    mcnemar_p,
    mcnemar_power,
    proportion_difference,
    tango_interval,
)
from reprise.review.stats.seeds import seeds_difference
from reprise.review.stats.units import unit_sums, variance_of_mean


def skewed(rows: int, seed: int = 0) -> np.ndarray:
    """Log losses of two classifiers, one minus the other."""
    rng = np.random.default_rng(seed)
    return rng.exponential(size=rows) - 0.5 * rng.exponential(size=rows)


@pytest.mark.parametrize(
    ("gained", "lost"), [(0, 0), (5, 0), (6, 0), (16, 6), (6, 16), (40, 20), (1000, 1100)]
)
def test_mcnemar_is_statsmodels(gained: int, lost: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    assert mcnemar_p(gained, lost) == pytest.approx(
        mcnemar([[50, gained], [lost, 50]], exact=True).pvalue, rel=1e-12
    )


@pytest.mark.parametrize(
    ("gained", "lost", "rows", "published"),
    [(6, 16, 161, (-0.1240, -0.0054)), (1, 7, 21, (-0.5173, -0.0260))],  # Cavo 2012, Bentur 2009
)
def test_tango_is_as_published(
    gained: int, lost: int, rows: int, published: tuple[float, float]
) -> None:
    """In Fagerland, Lydersen, Laake's contingencytables, an R package, to its four digits."""
    assert tango_interval(gained, lost, rows) == pytest.approx(published, abs=1e-4)


def test_tango_at_the_ends() -> None:
    z2 = stats.norm.isf(0.025) ** 2
    assert tango_interval(0, 0, 100) == pytest.approx((-z2 / (100 + z2), z2 / (100 + z2)))
    assert tango_interval(20, 0, 20)[1] == 1
    assert tango_interval(0, 20, 20)[0] == -1


@pytest.mark.parametrize("rows", [20, 60, 354, 10_000])
def test_tango_excludes_zero_wherever_the_exact_test_does(rows: int) -> None:
    for differ in range(min(rows, 60) + 1):
        for lost in range(differ // 2 + 1):
            if mcnemar_p(differ - lost, lost) <= LEVEL:
                assert tango_interval(differ - lost, lost, rows)[0] > 0


def test_power_is_what_simulated_tests_show() -> None:
    rng = np.random.default_rng(0)
    differ = rng.binomial(354, 0.1, size=20_000)
    gained = rng.binomial(differ, 0.75)
    found = 2 * stats.binom.cdf(np.minimum(gained, differ - gained), differ, 0.5) <= 0.05
    assert mcnemar_power(354, 0.075, 0.025, 0.05) == pytest.approx(found.mean(), abs=0.01)


def test_power_is_near_the_textbook() -> None:
    """Connor 1987, which does not know that the test is exact: a little more."""
    d, share, rows = 0.03, 0.1, 1000
    connor = stats.norm.cdf(
        (d * rows**0.5 - stats.norm.isf(0.025) * share**0.5) / (share - d**2) ** 0.5
    )
    assert connor - 0.05 < mcnemar_power(rows, 0.065, 0.035, 0.05) < connor


def test_detectable_proportions_have_their_power() -> None:
    found = detectable_proportion(1000, 0.1, 0.05)
    assert found is not None
    assert mcnemar_power(1000, (0.1 + found) / 2, (0.1 - found) / 2, 0.05) == pytest.approx(
        0.8, abs=1e-3
    )
    few = detectable_proportion(354, 0, 0.05)  # none differ yet: six that gain are needed
    assert few is not None
    assert stats.binom.sf(5, 354, few) == pytest.approx(0.8, abs=1e-3)
    assert proportion_difference(3, 2, 354, tests=2).detectable == detectable_proportion(
        354, 5 / 354, 0.025
    )


def test_detectable_means_are_near_statsmodels() -> None:
    """Of several metrics at the level of Holm's first step."""
    from statsmodels.stats.power import TTestPower

    for tests in (1, 3):
        expected = TTestPower().solve_power(nobs=100, alpha=0.05 / tests, power=0.8)
        assert detectable_difference(1 / 100**0.5, 99, tests) == pytest.approx(expected, rel=0.01)


def test_holm_is_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    for p in ([0.03], [0.01, 0.04, 0.03], [0.02, 0.02, 0.9, 0.0001], [0.5, 0.6]):
        assert holm_adjusted(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm_adjusted([]) == []


def test_variance_of_mean_is_scipys() -> None:
    assert variance_of_mean(skewed(50), None) == pytest.approx(stats.sem(skewed(50)) ** 2)


def test_variance_of_grouped_mean_is_statsmodels() -> None:
    import statsmodels.api as sm

    d, group = skewed(60), np.repeat(np.arange(15), [2, 6] * 7 + [4])
    fitted = sm.OLS(d, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": group})
    assert variance_of_mean(d, group) == pytest.approx(fitted.bse[0] ** 2)


def test_bootstrap_is_a_plain_loops() -> None:
    """Resampling rows one by one gives the same quantile, within the noise of 10,000 resamples."""
    d, rng = skewed(60), np.random.default_rng(7)
    drawn = [rng.choice(d, 60) for _ in range(10_000)]
    expected = np.quantile(
        [abs(x.mean() - d.mean()) / x.std(ddof=1) * 60**0.5 for x in drawn], 0.95
    )
    e = mean_difference(d, None, 1, seed=0)
    assert (e.high - e.difference) / stats.sem(d) == pytest.approx(expected, rel=0.03)


def test_bootstrap_of_groups_is_that_of_their_sums() -> None:
    """Groups of one size are rows of their means: rows within a group add nothing."""
    means = skewed(60)
    alone, copied = (
        mean_difference(means, None, 1, 0),
        mean_difference(means.repeat(5), np.arange(60).repeat(5), 1, 0),
    )
    assert (copied.low, copied.high, copied.p) == pytest.approx((alone.low, alone.high, alone.p))


def test_bootstrap_is_near_bca() -> None:
    """scipy's BCa interval leans to the long tail; ours is symmetric, and as wide within 5 %."""
    d = skewed(500)
    bca = stats.bootstrap(
        (d,), np.mean, rng=np.random.default_rng(0), method="BCa"
    ).confidence_interval
    e = mean_difference(d, None, 1, 0)
    assert (e.low, e.high) == pytest.approx((bca.low, bca.high), abs=0.05 * (bca.high - bca.low))


@pytest.mark.parametrize("seed", range(3))
def test_widening_is_what_the_bootstrap_adds(seed: int) -> None:
    """Of 2,000 rows with lognormal tails, within its noise and the next order."""
    sums, sizes = unit_sums(np.random.default_rng(seed).lognormal(sigma=1.2, size=2000), None)
    bootstrap = critical_value(
        resampled_t(sums, sizes, np.random.default_rng(0)), LEVEL
    ) / stats.t.isf(LEVEL / 2, 1999)
    assert skew_widening(sums) > 1.01
    assert skew_widening(sums) == pytest.approx(bootstrap, abs=0.03)


def test_heavy_tails_alone_widen_nothing() -> None:
    """They make Student's interval too wide, not too narrow."""
    tail = np.random.default_rng(0).lognormal(sigma=1.5, size=1000)
    assert skew_widening(np.concatenate([tail, -tail])) == 1


def test_widened_interval_and_test_agree() -> None:
    """Whatever the mean is: where the one just excludes zero, so does the other."""
    d = np.random.default_rng(1).lognormal(sigma=1.5, size=6000)
    e = mean_difference(d, None, 1, 0)
    assert e.high - e.low > 2.01 * stats.t.isf(0.025, 5999) * stats.sem(d)
    for shift, excluded in ((0.999, False), (1.001, True)):
        moved = mean_difference(d - d.mean() + shift * (e.high - e.low) / 2, None, 1, 0)
        assert (moved.low > 0, moved.p <= LEVEL) == (excluded, excluded)


@pytest.mark.parametrize("shift", [0.99, 1.01])
def test_bootstrap_interval_and_test_agree(shift: float) -> None:
    d = skewed(100)
    e = mean_difference(d, None, 1, 0)
    moved = mean_difference(d - d.mean() + shift * (e.high - e.low) / 2, None, 1, 0)
    assert (moved.low > 0) == (moved.p <= LEVEL) == (shift > 1)


def test_many_rows_get_the_paired_t_interval() -> None:
    d = np.random.default_rng(0).normal(0.01, size=20_000)
    e, t = mean_difference(d, None, 1, 0), stats.ttest_1samp(d, 0)
    interval = t.confidence_interval()
    assert (e.low, e.high, e.p) == pytest.approx((interval.low, interval.high, t.pvalue), rel=2e-3)


def test_fewer_than_six_rows_that_differ_prove_nothing() -> None:
    """As a sign test: five that all gain have p = 2 / 2⁵."""
    for rows in (200, 10_000):
        five, six = (np.concatenate([np.full(k, 0.1), np.zeros(rows - k)]) for k in (5, 6))
        assert mean_difference(five, None, 1, 0).p >= 2 / 2**5
        assert mean_difference(six, None, 1, 0).p >= 2 / 2**6


def test_welch_is_scipys() -> None:
    old, new = skewed(30), skewed(50, 1) + 0.2
    expected = stats.ttest_ind(new, old, equal_var=False).confidence_interval()
    assert two_sample_interval(old, new, None, None) == pytest.approx((expected.low, expected.high))


def test_seeds_and_rows_that_add_up_have_the_sum_of_their_variances() -> None:
    """Without interaction the seed's effect is exact, and the variance is the textbook's sum."""
    rng = np.random.default_rng(0)
    easy, other = rng.normal(size=200), rng.normal(size=200)
    a, b = np.array([0.0, 0.3, 0.1]), np.array([0.2, 0.25])
    e = seeds_difference(a[:, None] + easy, b[:, None] + other, None, 1)
    parts = [
        ((other - easy).var(ddof=1) / 200, 199),
        (a.var(ddof=1) / 3, 2),
        (b.var(ddof=1) / 2, 1),
    ]
    variance = sum(v for v, _ in parts)
    dof = variance**2 / sum(v**2 / n for v, n in parts)
    assert e.high - e.low == pytest.approx(2 * stats.t.isf(0.025, dof) * variance**0.5)
    assert e.p == pytest.approx(2 * stats.t.sf(abs(e.difference) / variance**0.5, dof))


def mean_squares(values: np.ndarray) -> tuple[float, float]:
    """Return statsmodels' mean squares of seeds and of the residual. values: [seeds, rows]."""
    import statsmodels.api as sm
    from statsmodels.formula.api import ols

    seeds, rows = np.indices(values.shape)
    x = pa.table({"y": values.ravel(), "seed": seeds.ravel(), "row": rows.ravel()}).to_pandas()
    table = sm.stats.anova_lm(ols("y ~ C(seed) + C(row)", x).fit())
    squares = table["sum_sq"] / table["df"]
    return squares["C(seed)"], squares["Residual"]


def test_seed_variance_is_that_of_statsmodels_mean_squares() -> None:
    """Each side adds (mean square of seeds − residual) / rows / seeds to the variance over rows."""
    rng = np.random.default_rng(0)
    old, new = (rng.normal(size=(s, 30)) + 0.7 * np.arange(s)[:, None] for s in (4, 3))
    over_rows = stats.sem(new.mean(0) - old.mean(0)) ** 2
    squares = [(*mean_squares(x), len(x)) for x in (old, new)]
    assert min(of_seeds - rest for of_seeds, rest, _ in squares) > 0
    variance = over_rows + sum((of_seeds - rest) / 30 / s for of_seeds, rest, s in squares)
    doubt = over_rows**2 / 29 + sum(
        (of_seeds / 30 / s) ** 2 / (s - 1) for of_seeds, _, s in squares
    )
    e = seeds_difference(old, new, None, 1)
    assert e.high - e.low == pytest.approx(
        2 * stats.t.isf(0.025, variance**2 / doubt) * variance**0.5
    )


def test_seeds_that_do_not_differ_add_nothing_but_doubt() -> None:
    """Then only rows vary: the standard error is that of the averaged difference."""
    rng = np.random.default_rng(0)
    old, new = (x - x.mean(axis=1, keepdims=True) for x in rng.normal(size=(2, 3, 200)))
    e, d = seeds_difference(old, new, None, 1), new.mean(0) - old.mean(0)
    assert e.high - e.low == pytest.approx(2 * stats.t.isf(0.025, 199) * stats.sem(d))


def test_one_seed_is_taken_to_vary_as_the_others_do() -> None:
    easy, b = np.random.default_rng(0).normal(size=200), np.array([0.2, 0.5, 0.1])
    e = seeds_difference(easy[None], b[:, None] + easy, None, 1)
    variance = b.var(ddof=1) * (1 + 1 / 3)
    assert e.high - e.low == pytest.approx(2 * stats.t.isf(0.025, 2) * variance**0.5)
