"""Holds the comparison of two revisions' predictions, as data: `asdict` of it is JSON."""

from dataclasses import dataclass

from reprise.described import DescribedEnum
from reprise.review.declared import Direction


class Verdict(DescribedEnum):
    """Says what became of a metric."""

    BETTER = "better", "the new side is better, beyond noise"
    WORSE = "worse", "the new side is worse, beyond noise"
    EQUIVALENT = (
        "equivalent",
        "the whole interval of the difference lies within the declared margin",
    )
    NO_DIFFERENCE = "no detectable difference", "these rows cannot tell the two sides apart"
    SAME = "the same predictions", "each paired row is the same on both sides: nothing to test"


@dataclass(frozen=True)
class Unpaired:
    """Holds a metric over the rows that only one side has.

    old, new: means over these rows; low, high: Welch's 95 % interval of their difference, None
    where the rows are too few.
    """

    rows_old: int
    rows_new: int
    old: float
    new: float
    difference: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Superiority:
    """Holds how often a new training beats one of the old recipe, with its 95 % interval."""

    probability: float
    low: float
    high: float


@dataclass(frozen=True)
class MetricComparison:
    """Holds the comparison of one metric, all in the unit of its column.

    old, new: means over the pairs, or over all rows where a row's value depends on the others;
    difference: new − old over the pairs; low, high: its 95 % interval, None together; p_value:
    two-sided, of all but the primary metric Holm-adjusted; proportion: it is a mean of zeros and
    ones; why: the reason why there is no verdict; detectable: the smallest true difference that
    these rows would show with a chance of 80 %, also as the one of the other metrics that moved;
    old_all, new_all: means over all rows of a side; superiority: how often a new training of the
    new side is better than one of the old, None where a side has one.
    """

    name: str
    column: str
    better: Direction
    margin: float | None
    proportion: bool
    old: float | None
    new: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    verdict: Verdict | None
    why: str | None
    detectable: float | None
    method: str
    unpaired: Unpaired | None
    old_all: float | None = None
    new_all: float | None = None
    superiority: Superiority | None = None


@dataclass(frozen=True)
class Relabelled:
    """Counts the paired rows whose label changed, which are left out of all else.

    old, new: means of the first metric over them against the new labels; None for a model that was
    not evaluated against these.
    """

    rows: int
    metric: str
    old: float | None
    new: float | None


@dataclass(frozen=True)
class Comparison:
    """Holds the comparison of all metrics of one table of predictions.

    rows_old, rows_new: of the longest table of a side; paired: rows that both sides have; note:
    what the intervals cover and what they do not; refused: why no metric has a verdict; evaluated:
    the old model was run on the new side's rows, so that what it recorded is over others;
    same_recipe: the sides differ in their data or seed alone, so that there is no change to judge;
    changed_features: paired rows with other features than before, left out of all else unless
    evaluated.
    """

    rows_old: int
    rows_new: int
    paired: int
    only_old: int
    only_new: int
    seeds_old: int
    seeds_new: int
    metrics: list[MetricComparison]
    note: str
    refused: str | None
    evaluated: bool = False
    relabelled: Relabelled | None = None
    same_recipe: bool = False
    changed_features: int = 0

    @property
    def judges_change(self) -> bool:
        """Tell whether verdicts are of the change: both sides have trainings of several seeds.

        Of one recipe on other data, or with another seed, they are of the models.
        """
        return min(self.seeds_old, self.seeds_new) > 1 and not self.same_recipe

    @property
    def primary(self) -> MetricComparison:
        """Return the metric that stands for all of them: the one declared as such, or the first."""
        return self.metrics[0]

    @property
    def has_other_rows(self) -> bool:
        """Tell whether a side's own results, in its metrics files, are over other rows."""
        unpaired = self.only_old + self.only_new
        changed = self.relabelled is not None or self.changed_features > 0
        return unpaired > 0 or self.evaluated or changed
