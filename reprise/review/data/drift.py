"""How far two distributions are apart, and whether that is more than chance: values or counts in, measures out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

LIMIT = 0.1  # of PSI and of total variation: what is less is small, however certain
LEVEL = 0.001  # of the test against chance, over all columns of a table
GRID = 1000  # points of each side at which KS looks
Values = NDArray[np.float64]  # of a column, sorted


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
    2020); that is for independent rows, and two versions that share rows differ less. Each bin counts half a row
    more, so that an empty one has a logarithm.
    """
    a, b = _there(old, new)
    if len(a) < 2 or not a.sum() or not b.sum():
        return Drift(0.0, "PSI", False)
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (a, b))
    value = float(((q - p) * np.log(q / p)).sum())
    chance = (1 / a.sum() + 1 / b.sum()) * chdtri(len(a) - 1, LEVEL / columns)
    return Drift(value, "PSI", bool(value >= LIMIT and value > chance))


def total_variation(old: Sequence[int], new: Sequence[int], columns: int) -> Drift:
    """Half of Σ |q − p| over the values.

    By chance it is at most its mean, ½ Σ √(r (1 − r) (1/n + 1/m)) at most with r the share in both versions, and
    √(ln(1/level) (1/n + 1/m) / 2), since one row moves it by 1/n (McDiarmid, On the method of bounded differences,
    1989). This holds for any number of rare values, where a χ² test does not.
    """
    a, b = _there(old, new)
    n, m = a.sum(), b.sum()
    if not n or not m:
        return Drift(0.0, "total variation", False)
    value, share, spread = float(np.abs(b / m - a / n).sum() / 2), (a + b) / (n + m), 1 / n + 1 / m
    mean = np.sqrt(share * (1 - share) * spread).sum() / 2
    chance = mean + math.sqrt(math.log(columns / LEVEL) * spread / 2)
    return Drift(value, "total variation", bool(value >= LIMIT and value > chance))


def _there(old: Sequence[int], new: Sequence[int]) -> tuple[Values, Values]:
    """Less what is empty in both versions."""
    a, b = (np.asarray(counts, dtype=float) for counts in (old, new))
    return a[a + b > 0], b[a + b > 0]


def ks(old: Values, new: Values) -> float:
    """Kolmogorov's and Smirnov's distance max |F_new − F_old|: exact, or of more than GRID values to 1 / GRID."""
    if not len(old) or not len(new):
        return 0.0
    points = np.concatenate(
        [part for x in (old, new) for part in (x[:: -(-len(x) // GRID)], x[-1:])]
    )
    a, b = (np.searchsorted(x, points, side="right") / len(x) for x in (old, new))
    return float(np.abs(b - a).max())


def counts(values: Values, borders: Sequence[float]) -> list[int]:
    """Values up to each border, and beyond the last."""
    upto = np.searchsorted(values, np.asarray(borders, dtype=float), side="right")
    return [int(n) for n in np.diff(upto, prepend=0, append=len(values))]


def deciles(values: Values) -> list[float]:
    """Upper borders of bins for PSI: what is below the least value, tenths of the values, and above the greatest.

    A value that is a tenth of them or more has a bin of its own: it could move to its neighbour unseen.
    """
    if not len(values):
        return []
    tops = values[[math.ceil(len(values) * i / 10) - 1 for i in range(1, 11)]]
    often = tops[1:][tops[1:] == tops[:-1]]
    return [float(x) for x in np.unique([*below([values[0], *often]), *tops])]


def below(borders: Sequence[float]) -> Sequence[float]:
    """The next smaller numbers: of bins that hold their lower border, not their upper one."""
    return [float(x) for x in np.nextafter(borders, -np.inf)]


def bins(old: Values, new: Values, most: int, whole: bool) -> list[float]:
    """Borders from the least to the greatest value, to look at: of one width, in each as many whole numbers.

    Where tails are long, the outer two bins hold all of them. None of them for no values, and for some too far apart.
    """
    both = [x for x in (old, new) if len(x)]
    low, high = (
        min((float(x[0]) for x in both), default=0.0),
        max((float(x[-1]) for x in both), default=0.0),
    )
    if not both or not math.isfinite(high - low):
        return []
    a, b = (float(f(x[int((len(x) - 1) * q)] for x in both)) for f, q in ((min, 0.01), (max, 0.99)))
    if b > a and high - low > 10 * (b - a):
        borders = np.unique([low, *np.linspace(a, b, most - 1), high])
    elif whole:
        width = math.ceil((high - low + 1) / most)
        borders = low - 0.5 + width * np.arange(math.ceil((high - low + 1) / width) + 1)
    else:
        borders = (
            np.unique(np.linspace(low, high, most + 1)) if high > low else np.asarray([low, high])
        )
    return [float(x) for x in borders]
