"""Holds what a retraining is asked to do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from reprise.retrain.choices import MOST_NIGHTS, NIGHTS, PromoteWhen, PublishMode

Echo = Callable[[str], None]  # shows one line of the progress


class Gate(BaseModel):
    """Says what a challenger must reach.

    metric: the primary one if None; min_effect: the least difference worth a promotion, in the
    metric's unit; when: which verdicts promote; nights: how many nights' challengers have to be
    better together, tonight's among them; margin: how much worse a model may be that is promoted
    when not worse, None for the margin that dvc.yaml declares of the metric.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str | None = None
    min_effect: float = Field(0.0, ge=0, allow_inf_nan=False)
    when: PromoteWhen = PromoteWhen.BETTER
    nights: int = Field(NIGHTS, ge=1, le=MOST_NIGHTS)
    margin: float | None = Field(None, gt=0, allow_inf_nan=False)


@dataclass(frozen=True)
class RetrainOptions:
    """Holds what the command line of `reprise retrain` says.

    repository: an address or a path; folder: where clones are kept; jobs: stages at a time, as
    many as there are cores if None; hand_over: a folder for a better model, in place of its
    publication; token: of the forge, in place of the environment's.
    """

    repository: str
    folder: Path
    base: str = "main"
    publish: PublishMode = PublishMode.PULL_REQUEST
    gate: Gate = field(default_factory=Gate)
    jobs: int | None = None
    wait: bool = True
    dry_run: bool = False
    hand_over: Path | None = None
    token: str | None = field(default=None, repr=False)
