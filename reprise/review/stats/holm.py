"""Adjusts the p-values of several tests, so that one false find among all of them stays rare."""

from collections.abc import Sequence


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return the step-down adjusted p-values, in the order given.

    Source: Holm 1979, Scandinavian J. Statist. 6.
    """
    tests = len(p_values)
    ascending = sorted(range(tests), key=p_values.__getitem__)
    adjusted = [0.0] * tests
    highest = 0.0
    for step, position in enumerate(ascending):
        scaled = p_values[position] * (tests - step)
        highest = max(highest, min(1.0, scaled))
        adjusted[position] = highest
    return adjusted
