"""The probability that one training beats another, and how often its interval holds the truth."""

import numpy as np
import pytest
from scipy import stats

from reprise.review.stats.superiority import probability_of_superiority


def test_it_counts_pairs_and_ties_half() -> None:
    found = probability_of_superiority(np.array([1.0, 2.0]), np.array([2.0, 3.0]), higher=True)
    assert found is not None
    assert found.probability == 0.875
    mirrored = probability_of_superiority(np.array([1.0, 2.0]), np.array([2.0, 3.0]), higher=False)
    assert mirrored is not None
    assert mirrored.low == pytest.approx(1 - found.high)
    assert mirrored.high == pytest.approx(1 - found.low)


def test_the_interval_is_that_of_r() -> None:
    """The example of SingleCaseES::NAP, whose root is found to four digits."""
    old = np.array([20.0, 20, 26, 25, 22, 23])
    new = np.array([28.0, 25, 24, 27, 30, 30, 29])
    found = probability_of_superiority(old, new, higher=True)
    assert found is not None
    values = (found.probability, found.low, found.high)
    assert values == pytest.approx((0.9166667, 0.59732, 0.98600), abs=1e-4)


def test_one_training_a_side_tells_nothing() -> None:
    assert probability_of_superiority(np.ones(10), np.ones(1), higher=True) is None


@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.0, 2.0), (1.0, 1.0), (2.0, 1.0)])
def test_the_interval_holds_the_truth(shift: float, spread: float) -> None:
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(shift / (1 + spread**2) ** 0.5)
    held = 0
    for _ in range(400):
        old, new = rng.normal(size=10), shift + spread * rng.normal(size=5)
        found = probability_of_superiority(old, new, higher=True)
        assert found is not None
        held += found.low <= truth <= found.high
    assert held / 400 >= 0.92
