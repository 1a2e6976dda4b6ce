"""What a retraining is asked for, and what became of it."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from reprise.retrain.gate import Decision, Gate
from reprise.review import Report

Publish = Literal["pr", "branch", "push", "none"]


@dataclass(frozen=True)
class Options:
    """repository: an address or a path; folder: of the clones; publish: what becomes of a better model;
    token: of the forge, before the environment's."""

    repository: str
    folder: Path
    base: str = "main"
    publish: Publish = "pr"
    gate: Gate = field(default_factory=Gate)
    jobs: int | None = None
    wait: bool = True
    dry_run: bool = False
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RetrainResult:
    """report: None when nothing was trained, or nothing can be compared."""

    decision: Decision
    report: Report | None = None

    def with_(self, **known: object) -> "RetrainResult":
        """With more of the decision's fields."""
        return replace(self, decision=self.decision.model_copy(update=known))
