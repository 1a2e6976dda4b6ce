"""Holds what became of a retraining."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from reprise.described import DescribedEnum
from reprise.review.stats.results import Verdict

if TYPE_CHECKING:
    from reprise.review.report import Report


class Outcome(DescribedEnum):
    """Says how a retraining ended."""

    UNCHANGED = "unchanged", "there was nothing to train, or training changed nothing"
    KEPT = "kept", "the champion stays"
    PROMOTED = "promoted", "the challenger is good enough to replace the champion"
    SKIPPED = "skipped", "another retraining was at work"


class Decision(BaseModel):
    """Holds the outcome and its reasons, as they stand in the machine-readable file.

    base: the commit that retraining started from. old, new, difference, low, high: of the metric,
    in its unit; low and high are the ends of the difference's 95 % interval. expected: the
    difference without the luck that made it the one to be promoted; nights: how many challengers,
    tonight's among them, were compared together, None where tonight's was compared alone;
    together: the difference of their mean. anchor: the commit of the best champion so far, where
    that is neither this model nor the base's.
    branch, commit, pushed, pull_request: what was published.
    """

    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    reason: str
    base: str
    metric: str | None = None
    old: float | None = None
    new: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    expected: float | None = None
    nights: int | None = None
    together: float | None = None
    anchor: str | None = None
    verdict: Verdict | None = None
    branch: str | None = None
    commit: str | None = None
    pushed: bool = False
    pull_request: str | None = None

    def updated(self, **fields: Any) -> "Decision":
        """Copy the decision with other values in these fields."""
        return self.model_copy(update=fields)


@dataclass(frozen=True)
class RetrainResult:
    """Holds the decision and its report: None when nothing was trained, or can be compared."""

    decision: Decision
    report: "Report | None" = None
