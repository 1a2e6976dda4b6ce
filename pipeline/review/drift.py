"""How far two distributions are apart, and whether that is more than chance: counts in, measures out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LIMIT = 0.1  # of PSI and of total variation: what is less is small, however certain
LEVEL = 0.001  # of the test against chance, over all columns of a table


@dataclass(frozen=True)
class Drift:
    """flag: beyond LIMIT, and beyond chance."""

    value: float
    measure: str
    flag: bool


def psi(old: Sequence[int], new: Sequence[int], columns: int) -> Drift:
    """Population stability index of counts by bin: Σ (q − p) ln(q / p). columns: how many are looked at.

    0.1 is the usual border of what matters (Siddiqi, Credit Risk Scorecards, 2006, ch. 8). Without drift it is
    (1/n + 1/m) χ² with one degree of freedom less than bins (Yurdakul, Naranjo, Journal of Risk Model Validation 14,
    2020). An empty bin counts as half a row.
    """
    a, b = (np.maximum(np.asarray(counts, dtype=float), 0.5) for counts in (old, new))
    p, q = a / a.sum(), b / b.sum()
    value = float(((q - p) * np.log(q / p)).sum())
    chance = (1 / a.sum() + 1 / b.sum()) * stats.chi2.isf(LEVEL / columns, max(len(a) - 1, 1))
    return Drift(value, "PSI", bool(value >= LIMIT and value > chance))


def ks(old: Sequence[int], new: Sequence[int]) -> float:
    """Kolmogorov's and Smirnov's distance at the borders of the bins: max |F_new − F_old|."""
    a, b = (np.cumsum(np.asarray(counts, dtype=float)) for counts in (old, new))
    return float(np.abs(a / max(a[-1], 1) - b / max(b[-1], 1)).max())


def total_variation(old: Sequence[int], new: Sequence[int], columns: int) -> Drift:
    """Half of Σ |q − p| over the values; beyond chance by the χ² test of homogeneity (Pearson, 1900)."""
    a, b = (np.asarray(counts, dtype=float) for counts in (old, new))
    if not a.sum() or not b.sum():
        return Drift(0.0, "total variation", False)
    p, q = a / a.sum(), b / b.sum()
    value, there = float(np.abs(q - p).sum() / 2), (a + b) > 0
    flag = value >= LIMIT and there.sum() > 1
    if flag:
        flag = stats.chi2_contingency(np.stack([a[there], b[there]]), correction=False).pvalue < LEVEL / columns
    return Drift(value, "total variation", bool(flag))
