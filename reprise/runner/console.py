"""Show a plan and the progress of a run: plain lines, and on a terminal a status line."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reprise.runner.states import StageState, StepKind
from reprise.text.values import format_seconds

if TYPE_CHECKING:  # an answer that was kept is shown without DVC
    from rich.status import Status

    from reprise.dvc import Stage
    from reprise.runner.plan import Step
    from reprise.state.durations import Durations

STYLES = {
    StepKind.RUN: "bold",
    StepKind.MAY_RUN: "yellow",
    StepKind.RESTORED: "cyan",
    StepKind.UNCHANGED: "dim",
    StepKind.ERROR: "bold red",
}
STAGES_SHOWN = 6  # of those that run, in the status line


class ConsoleReporter:
    """Prints lines on stdout; shows `running …` at the bottom of a terminal."""

    def __init__(self, echo: Callable[[str], None] | None = None) -> None:
        """`echo`: prints a line, in place of the standard output."""
        self._echo = echo
        self._console: Any = None
        if echo is None and sys.stdout.isatty():
            from rich.console import Console  # of no use on a pipe

            self._console = Console()
        self._status: Status | None = None
        self._started: dict[Stage, float] = {}  # stages that run, and since when
        self._ended = 0
        self._total = 0
        self._notes: set[str] = set()
        self._start = time.monotonic()

    def plan(self, steps: "Sequence[Step]", durations: "Durations") -> None:
        """Print the plan."""
        from reprise.runner.plan_format import format_plan

        self._total = len(steps)
        self.show(format_plan(steps, durations))

    def show(self, lines: Iterable[tuple[StepKind, str]]) -> None:
        """Print the lines of a plan."""
        for kind, line in lines:
            self._print(f"  {line}", STYLES[kind])

    @contextmanager
    def showing_status(self) -> Iterator[None]:
        """Show the status line on a terminal while the block runs."""
        if self._console is None:
            yield
            return
        with self._console.status("") as status:
            self._status = status
            yield

    def started(self, stage: "Stage") -> None:
        """Show that the stage's commands were started."""
        self._started[stage] = time.monotonic()
        self._print(f"{stage.name}: started", "bold")

    def output(self, stage: "Stage", line: str) -> None:
        """Show a line that a command printed."""
        self._print(f"{stage.name} | {line}")

    def ended(
        self, stage: "Stage", state: StageState, seconds: float | None, error: str | None
    ) -> None:
        """Show how the stage ended, unless nothing was done for it."""
        self._started.pop(stage, None)
        self._ended += 1
        match state:
            case StageState.RAN:
                time_taken = ""
                if seconds is not None:
                    time_taken = f" in {format_seconds(seconds)}"
                self._print(f"{stage.name}: done{time_taken}", "green")
            case StageState.RESTORED:
                self._print(f"{stage.name}: restored from the run-cache", "cyan")
            case StageState.FAILED:
                self._print(f"{stage.name}: failed: {error}", "bold red")

    def retrying(self, stage: "Stage", error: str) -> None:
        """Show that the stage failed and will be tried again."""
        self.note(f"{stage}: {error}")

    def note(self, text: str) -> None:
        """Show a text, once."""
        if text not in self._notes:
            self._notes.add(text)
            self._print(text, "yellow")

    def tick(self) -> None:
        """Renew the status line."""
        if self._status is None:
            return
        from rich.markup import escape

        now = time.monotonic()
        running = []
        for stage, start in list(self._started.items())[:STAGES_SHOWN]:
            running.append(f"{stage.name} {format_seconds(now - start)}")
        elapsed = format_seconds(now - self._start)
        text = f"{self._ended}/{self._total} done, {elapsed}; running {', '.join(running)}"
        self._status.update(escape(text))

    def summary(self, states: Iterable[StageState], last: float | None) -> None:
        """Print how many stages ended in which state. states: of each stage.

        last: seconds that the stages that ran took the last time, if known.
        """
        counts = Counter(states)
        parts = [f"{counts[state]} {state}" for state in StageState if counts[state]]
        line = ", ".join(parts) or "nothing to do"
        line += f" in {format_seconds(time.monotonic() - self._start)}"
        if last is not None:
            line += f" (commands took {format_seconds(last)} the last time)"
        self._print(line)

    def _print(self, text: str, style: str | None = None) -> None:
        if self._echo is not None:
            self._echo(text)
        elif self._console is None:
            print(text, flush=True)
        else:
            self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
