"""Describes a column of a table by counts, so that the rows since a reference are a difference."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from src.schema import Label

YEAR = 366 * 86_400  # seconds
UNSTORED = {"rows", "outside"}  # in a file: the table's, and none of a reference's own
Range = tuple[float, float]
EVERYWHERE: Range = (-math.inf, math.inf)


class Values(BaseModel):
    """Counts the rows of a column."""

    model_config = ConfigDict(extra="forbid", strict=True)
    rows: int = 0
    missing: int
    outside: int = 0  # rows with values far beyond the reference's

    @property
    def present(self) -> int:
        """Count the rows that have a value."""
        return self.rows - self.missing

    @property
    def shares(self) -> dict[Any, float]:
        """Map values to shares of the present rows, which tell one distribution from another."""
        return {}

    @property
    def far(self) -> Range:
        """Return from where on values are far beyond these: nowhere, if they have no order."""
        return EVERYWHERE

    @property
    def counts(self) -> list[int]:
        """List the rows of disjoint kinds."""
        return [self.missing]

    def share(self, count: int) -> float:
        """Return which share of the present rows so many are."""
        return count / max(self.present, 1)

    def minus(self, before: Self) -> Self:
        """Describe the rows that were appended since."""
        update = {"rows": self.rows - before.rows, "missing": self.missing - before.missing}
        return self.model_copy(update=update)


class Number(Values):
    """Describes a column of numbers by its range, its deciles and its scale."""

    kind: Literal["number"] = "number"
    low: float  # smallest value
    high: float
    edges: list[float]  # the reference's deciles, of which equal ones stand once
    below: list[int]  # for each edge, the rows with at most that value
    nonzero: int
    magnitude: float  # geometric mean of the values but zeros, without their signs

    @property
    def shares(self) -> dict[Any, float]:
        """Map the edges to the share of rows with at most that value."""
        return {edge: self.share(n) for edge, n in zip(self.edges, self.below, strict=True)}

    @property
    def far(self) -> Range:
        """Widen the range by its own width, or by the size of its values.

        The width alone would be little where all values are alike: 11 and 12 of a month.
        """
        more = max(self.high - self.low, abs(self.low), abs(self.high), 1.0)
        return self.low - more, self.high + more

    @property
    def counts(self) -> list[int]:
        """List the rows without a value, with one but zero, and between edges."""
        edges = [0, *self.below, self.present]
        return [self.missing, self.nonzero, *differences(edges[1:], edges[:-1])]

    @property
    def logarithms(self) -> float:
        """Compute the sum of the logarithms of the values but zeros."""
        return self.nonzero * math.log(max(self.magnitude, 1e-300))

    def minus(self, before: Self) -> Self:
        """Describe the rows that were appended since."""
        nonzero = self.nonzero - before.nonzero
        mean = (self.logarithms - before.logarithms) / max(nonzero, 1)
        update = {
            "below": differences(self.below, before.below),
            "nonzero": nonzero,
            "magnitude": math.exp(min(mean, 700)),
        }
        return super().minus(before).model_copy(update=update)

    def limits(self) -> str:
        """Say from where to where the values are."""
        return f"{self.low:.6g} to {self.high:.6g}"

    def bracket(self, value: float) -> Range:
        """Bound the share of rows with at most the value: the least and the most that it can be.

        Of a reference only the shares at its deciles are known; between two it can be any.
        """
        points = {self.low: 0.0, **self.shares, self.high: 1.0}
        least = [share for edge, share in points.items() if edge <= value]
        most = [share for edge, share in points.items() if edge >= value]
        return max(least, default=0.0), min(most, default=1.0) * (value >= self.low)


class Time(Values):
    """Describes a column of dates or times."""

    kind: Literal["time"] = "time"
    first: str
    last: str
    late: int  # rows with a day of the month after the 12th, which can be taken for no month
    months: list[int]  # rows in January, February, …

    @property
    def far(self) -> Range:
        """Widen the range by its own width, and a year at least.

        Appended rows are later than all before, which is no fault; of another century is one.
        """
        first, last = seconds(self.first), seconds(self.last)
        more = max(last - first, YEAR)
        return first - more, last + more

    @property
    def counts(self) -> list[int]:
        """List the rows without a value, late in a month, and in each."""
        return [self.missing, self.late, *self.months]

    def minus(self, before: Self) -> Self:
        """Describe the rows that were appended since."""
        months = differences(self.months, before.months)
        update = {"late": self.late - before.late, "months": months}
        return super().minus(before).model_copy(update=update)

    def limits(self) -> str:
        """Say from when to when the values are."""
        return f"{self.first} to {self.last}"


class Category(Values):
    """Describes a column of categories, or of classes, by the rows that each has."""

    kind: Literal["category"] = "category"
    values: list[tuple[Label, int]]

    @property
    def shares(self) -> dict[Any, float]:
        """Map the categories to the share of rows with each."""
        return {value: self.share(n) for value, n in self.values}

    @property
    def counts(self) -> list[int]:
        """List the rows without a value, and of each category."""
        return [self.missing, *dict(self.values).values()]

    def minus(self, before: Self) -> Self:
        """Describe the rows that were appended since."""
        now, earlier = dict(self.values), dict(before.values)
        values = [(value, now.get(value, 0) - earlier.get(value, 0)) for value in earlier | now]
        return super().minus(before).model_copy(update={"values": values})

    def bracket(self, value: Label) -> Range:
        """Return the share of rows of the category, as its least and most."""
        share = self.shares.get(value, 0.0)
        return share, share


AnyColumn = Annotated[Number | Time | Category, Field(discriminator="kind")]


def differences(now: list[int], before: list[int]) -> list[int]:
    """Subtract number by number."""
    return [n - m for n, m in zip(now, before, strict=True)]


def seconds(time: str) -> float:
    """Read a time in UTC, as seconds since 1970."""
    return datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()
