"""Holds what a retraining is asked to do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from reprise.retrain.choices import PublishMode
from reprise.retrain.gate import Gate

Echo = Callable[[str], None]  # shows one line of the progress


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
