"""Declare what a run tells of its progress."""

from typing import Protocol

from reprise.dvc import Stage
from reprise.runner.states import StageState


class Reporter(Protocol):
    """Shows the progress of a run. The runner calls it from its own thread."""

    def started(self, stage: Stage) -> None:
        """Show that an attempt at the stage is about to start."""

    def output(self, stage: Stage, line: str) -> None:
        """Show a line that the stage's command printed."""

    def retrying(self, stage: Stage, error: str) -> None:
        """Show that an attempt failed. error: why, and when the next attempt is."""

    def ended(
        self, stage: Stage, state: StageState, seconds: float | None, error: str | None
    ) -> None:
        """Show how the stage ended. seconds: of its commands, None if none ran."""

    def note(self, text: str) -> None:
        """Show a text about the run."""

    def tick(self) -> None:
        """Renew what is shown. Called several times a second while stages run."""
