"""Holds how far a table may depart from its reference, and what is more than chance."""

import math
from typing import NamedTuple

from pydantic import Field

from src.params import Section


class Bounds(Section):
    """Says how far a table may depart from its reference. Shares are of rows."""

    rows: float = Field(0.5, ge=0, le=1)  # at least so many, as a share of the reference's
    missing: float = Field(0.1, ge=0, le=1)  # more without a value
    without_target: float = Field(0.1, ge=0, le=1)  # more without a target
    categories: float = Field(0.1, ge=0, le=1)  # with a category that the reference has not
    outside: float = Field(0.01, ge=0, le=1)  # with values far beyond the reference's
    scale: float = Field(30, gt=1, le=1e12)  # times larger or smaller
    shift: float = Field(0.5, ge=0, le=1)  # that moved from one side of a value to the other
    free: list[str] = []  # columns whose values may change freely


class Counts(NamedTuple):
    """Counts some rows, and all of them."""

    some: int
    of: int

    @property
    def share(self) -> float:
        """Return the share, of no rows nothing."""
        return self.some / self.of if self.of > 0 else 0.0

    def exceeds(self, allowed: float) -> bool:
        """Tell whether the share is above the one allowed by more than chance with so few rows.

        Chance: three standard deviations of a binomial share, were the one allowed the true one.
        """
        variance = allowed * max(1 - allowed, 0) / max(self.of, 1)
        return self.share > allowed + 3 * math.sqrt(variance)

    def __str__(self) -> str:
        return f"{self.some} of {self.of} rows"


def percent(part: float) -> str:
    """Write a share."""
    return f"{100 * part:.3g} %"


def about(value: float) -> str:
    """Write a number in two significant digits."""
    return f"{float(f'{value:.2g}'):,.12g}"
