"""Shows a plan and the progress of a run: plain lines, and on a terminal a status line."""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reprise.dvc import MISSING, Stage
from reprise.runner.plan import Step
from reprise.runner.states import StageState
from reprise.state.durations import Durations

if TYPE_CHECKING:
    from rich.status import Status

STYLES = {"run": "bold", "may run": "yellow", "restored": "cyan", "unchanged": "dim"}
SHOWN = 3  # reasons a stage, in the plan


def format_seconds(value: float) -> str:
    minutes, rest = divmod(value, 60)
    return f"{int(minutes)} min {rest:.0f} s" if minutes else f"{value:.1f} s"


def format_plan(steps: Sequence[Step], durations: Durations) -> list[tuple[str, str]]:
    """(kind, line); the unchanged and the restored share a line each."""
    lines = []
    for kind in ("unchanged", "restored"):
        names = [s.stage.name for s in steps if s.kind == kind]
        if names:
            listed = ", ".join(names[:8]) + (
                f" and {len(names) - 8} more" if len(names) > 8 else ""
            )
            lines.append((kind, f"{kind:<9}  {listed}"))
    rest = [s for s in steps if s.kind in ("run", "may run")]
    width = max((len(s.stage.name) for s in rest), default=0)
    for step in rest:
        why = [str(c) for c in step.changes] or [f"if {_paths(step)} changes"]
        reasons = "; ".join(why[:SHOWN]) + (
            f" and {len(why) - SHOWN} more" if len(why) > SHOWN else ""
        )
        last = durations.expected(step.stage.name)
        time_ = f"last time {format_seconds(last)}" if last is not None else "time unknown"
        lines.append(
            (step.kind, f"{step.kind:<9}  {step.stage.name:<{width}}  {reasons}  ({time_})")
        )
    return lines


def _paths(step: Step) -> str:
    return " or ".join(step.waits_for[:SHOWN]) + (
        " or others" if len(step.waits_for) > SHOWN else ""
    )


def plan_json(steps: Sequence[Step], durations: Durations) -> str:
    """The whole plan; seconds are the median of the last runs, or null."""

    def change(c: Any) -> dict[str, Any]:
        values = {k: None if v is MISSING else v for k, v in (("old", c.old), ("new", c.new))}
        made = {"kind": c.kind, "where": c.where, "what": c.what, "key": c.key, **values}
        return (
            made if c.kind in ("param", "cmd") else {k: made[k] for k in ("kind", "where", "what")}
        )

    entries = [
        {
            "stage": s.stage.name,
            "kind": s.kind,
            "changes": [change(c) for c in s.changes],
            "waits_for": s.waits_for,
            "seconds": durations.expected(s.stage.name),
        }
        for s in steps
    ]
    return json.dumps({"stages": entries}, indent=2, ensure_ascii=False, default=str)


class ConsoleReporter:
    """Lines on stdout; `running …` at the bottom of a terminal."""

    def __init__(self) -> None:
        self._console: Any = None
        if sys.stdout.isatty():
            from rich.console import Console  # of no use on a pipe

            self._console = Console()
        self._running: dict[Stage, float] = {}
        self._ended = 0
        self._total = 0
        self._status: Status | None = None
        self._notes: set[str] = set()
        self._start = time.monotonic()

    def plan(self, steps: Sequence[Step], durations: Durations) -> None:
        self._total = len(steps)
        for kind, line in format_plan(steps, durations):
            self._line(f"  {line}", STYLES[kind])

    def begin(self) -> None:
        if self._console is not None:
            self._status = self._console.status("")
            self._status.start()

    def finish(self) -> None:
        if self._status is not None:
            self._status.stop()

    def started(self, stage: Stage) -> None:
        self._running[stage] = time.monotonic()
        self._line(f"{stage.name}: started", "bold")

    def output(self, stage: Stage, line: str) -> None:
        self._line(f"{stage.name} | {line}")

    def ended(self, stage: Stage, state: StageState, took: float | None, error: str | None) -> None:
        self._running.pop(stage, None)
        self._ended += 1
        if state == "ran":
            self._line(
                f"{stage.name}: done" + (f" in {format_seconds(took)}" if took is not None else ""),
                "green",
            )
        elif state == "restored":
            self._line(f"{stage.name}: restored from the run-cache", "cyan")
        elif state == "failed":
            self._line(f"{stage.name}: failed: {error}", "bold red")

    def retrying(self, stage: Stage, error: str) -> None:
        self.note(f"{stage}: {error}")

    def note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.add(text)
            self._line(text, "yellow")

    def tick(self) -> None:
        if self._status is not None:
            from rich.markup import escape

            now = time.monotonic()
            names = ", ".join(
                f"{s.name} {format_seconds(now - t)}" for s, t in [*self._running.items()][:6]
            )
            text = f"{self._ended}/{self._total} done, {format_seconds(now - self._start)}; running {names}"
            self._status.update(escape(text))

    def summary(self, states: dict[Stage, StageState], last: float | None) -> None:
        """`last`: seconds that the stages that ran took the last time, if known."""
        counts = Counter(states.values())
        said = ", ".join(f"{counts[k]} {k}" for k in StageState if counts[k])
        took = format_seconds(time.monotonic() - self._start)
        compared = (
            f" (commands took {format_seconds(last)} the last time)" if last is not None else ""
        )
        self._line(f"{said or 'nothing to do'} in {took}{compared}")

    def _line(self, text: str, style: str | None = None) -> None:
        if self._console is None:
            print(text, flush=True)
        else:
            self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
