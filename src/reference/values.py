"""Compares the values of a column with the reference's: rules by the kind of the column."""

import math
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from src.errors import shown
from src.reference.bounds import Bounds, Counts, about, percent
from src.reference.model import Reference, same_columns

DRIFT = 0.1  # a difference of shares that is worth a word, besides chance
PAIRED = 40  # columns of another distribution that are tried in pairs
ENOUGH = 5  # rows of which a mean says something
TINY = 1e-300


class Finding(NamedTuple):
    """Says where a table departs from its reference, what was found and what was expected."""

    columns: tuple[str, ...]
    where: str
    found: str
    expected: str

    @property
    def line(self) -> str:
        """Write it as an error."""
        line = f"{self.where}: found {self.found}; expected {self.expected}"
        return " ".join(line.split())


class Pair(NamedTuple):
    """Holds a column of the reference and of the rows that are judged, both of one kind."""

    name: str
    now: Any
    before: Any
    rows: str  # which these are, in words; none: the whole table

    @property
    def gap(self) -> tuple[float, object]:
        """Find the largest difference of the shares, and the value where it is."""
        now = self.now.shares
        gaps = [(now.get(value, 0.0) - part, value) for value, part in self.before.shares.items()]
        return max(gaps, key=lambda gap: abs(gap[0]), default=(0.0, None))

    @property
    def chance(self) -> float:
        """Return the difference of shares that chance alone hardly makes.

        By the limit of the test of Kolmogorov and Smirnov, of 0.07 % for two samples.
        """
        rows = 1 / max(self.now.present, 1) + 1 / max(self.before.present, 1)
        return 2 * math.sqrt(rows)

    @property
    def is_changed(self) -> bool:
        """Tell whether the distribution is another by more than chance and a slow drift."""
        return abs(self.gap[0]) > DRIFT + self.chance

    @property
    def change(self) -> str:
        """Say of the value whose share changed most how it did."""
        _, value = self.gap
        which = {"number": "at most "}.get(self.now.kind, "")
        before, now = self.before.shares[value], self.now.shares.get(value, 0.0)
        text = shown(value).removesuffix(".0")
        return f"rows with {which}{text} {percent(before)} → {percent(now)}{self.rows}"

    def finding(self, found: str, expected: str) -> Finding:
        """Say what was found in the column."""
        return Finding((self.name,), f"column {self.name!r}", f"{found}{self.rows}", expected)


def paired(reference: Reference, found: Reference) -> list[list[Pair]]:
    """Pair the columns of one kind: those of the whole table, and those of the rows since."""
    whole = [Pair(*columns, "") for columns in same_columns(found, reference)]
    since = found.since(reference)
    if since is None:
        return [whole]
    words = f" in the {since.rows} rows since the reference"
    later = [Pair(*columns, words) for columns in same_columns(since, reference)]
    return [whole, later]


def wrong_scale(pair: Pair, bounds: Bounds) -> Iterator[Finding]:
    """Find numbers in other units: of another size throughout, whatever their distribution.

    The geometric mean of numbers a thousand times larger is a thousand times larger, too, where few
    rows and a heavy tail make an arithmetic mean jump.
    """
    size = max(pair.before.magnitude, TINY)
    times = max(pair.now.magnitude, TINY) / size
    factor = max(times, 1 / times)
    word = {True: "larger", False: "smaller"}[times > 1]
    nonzero = min(pair.before.nonzero, pair.now.nonzero)
    if nonzero >= ENOUGH and factor > bounds.scale:
        found = f"numbers {about(factor)} times {word}"
        yield pair.finding(found, f"about {about(size)} in size: are they in other units?")


def far_outside(pair: Pair, bounds: Bounds) -> Iterator[Finding]:
    """Find values far beyond the reference's."""
    counts = Counts(pair.now.outside, pair.now.present)
    if counts.exceeds(bounds.outside):
        found = f"{counts} with values far beyond the reference's"
        yield pair.finding(found, f"about {pair.before.limits()}")


def day_for_month(pair: Pair, bounds: Bounds) -> Iterator[Finding]:
    """Find dates whose day and month were swapped: of three months no day is after the 12th.

    Those that can't be swapped are missing, or were left out. A night alone has one day; rows of
    three months have some after the 12th, if those of the reference do.
    """
    usual = pair.before.share(pair.before.late)
    now = Counts(pair.now.late, pair.now.present)
    months = len(pair.now.months) - pair.now.months.count(0)
    is_much = min(usual / 0.2, months / 3, now.of / 10) >= 1
    if is_much and now.share < usual / 4:
        found = f"{percent(now.share)} of days after the 12th of a month"
        yield pair.finding(found, f"about {percent(usual)}: are day and month swapped?")


def more_missing(pair: Pair, bounds: Bounds) -> Iterator[Finding]:
    """Find more rows without a value."""
    before = Counts(pair.before.missing, pair.before.rows)
    now = Counts(pair.now.missing, pair.now.rows)
    allowed = before.share + bounds.missing
    if now.exceeds(allowed):
        yield pair.finding(f"{now} without a value", f"{percent(allowed)} at most")


def new_categories(pair: Pair, bounds: Bounds) -> Iterator[Finding]:
    """Find rows of categories that the reference has not."""
    rows = dict(pair.now.values)
    new = [value for value in rows if value not in pair.before.shares]
    counts = Counts(sum(map(rows.__getitem__, new)), pair.now.present)
    if counts.exceeds(bounds.categories):
        found = f"{counts} of new categories, such as {shown(new[0])},"
        yield pair.finding(found, f"{percent(bounds.categories)} at most")


def shifted(pair: Pair, bounds: Bounds) -> Iterator[Finding]:
    """Find another distribution of the whole table.

    The rows of a night may all be of one kind: of one weekday, or from one shop.
    """
    most = bounds.shift + pair.chance
    if not pair.rows and abs(pair.gap[0]) > most:
        yield pair.finding(pair.change, f"a change of {percent(bounds.shift)} at most")


Rule = Callable[[Pair, Bounds], Iterator[Finding]]
RULES: list[tuple[Rule, set[str]]] = [  # a rule, and the kinds of columns that it is for
    (wrong_scale, {"number"}),
    (far_outside, {"number", "time"}),
    (day_for_month, {"time"}),
    (more_missing, {"number", "time", "category"}),
    (new_categories, {"category"}),
    (shifted, {"number", "category"}),
]


def swapped(pairs: list[Pair]) -> Iterator[Finding]:
    """Find two columns of which each has the other's distribution.

    A drift would have to move both to where the other was.
    """
    changed = [pair for pair in pairs if pair.is_changed]
    for one, other in combinations(changed[:PAIRED], 2):
        if is_like(one, other) and is_like(other, one):
            where = f"columns {one.name!r} and {other.name!r}"
            found = f"each with the other's values{one.rows}"
            yield Finding((one.name, other.name), where, found, "their own")


def is_like(one: Pair, other: Pair) -> bool:
    """Tell whether one column now is as the other was, and much more so than as it was itself."""
    gaps = [float(one.now.kind != other.before.kind)]
    for value, part in one.now.shares.items():
        least, most = other.before.bracket(value)
        gaps += [least - part, part - most]
    return max(gaps) < min(DRIFT / 2 + one.chance, abs(one.gap[0]) / 2)
