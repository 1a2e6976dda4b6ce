"""Loads, plans and runs the stages of the clone, in this process."""

import os
import shlex
from collections.abc import Collection
from contextlib import chdir
from pathlib import Path

from reprise.dvc import DVC_ERRORS, Repository, Stage, describe_error
from reprise.errors import PipelineError
from reprise.retrain.clone import Clone
from reprise.retrain.options import Echo, RetrainOptions
from reprise.retrain.shell import LAST_LINES
from reprise.runner.console import ConsoleReporter
from reprise.runner.options import RunOptions
from reprise.runner.plan import StepKind, make_plan
from reprise.runner.runner import Runner
from reprise.runner.states import StageState
from reprise.state.durations import Durations
from reprise.state.journal import Journal


def load_stages(root: Path) -> list[Stage]:
    """Load the stages of all pipelines in the folder, in plan order."""
    with chdir(root):
        return Repository().steps([], everything=True)


def has_work(root: Path) -> bool:
    """Tell by the plan whether a stage would run: an import of the same bytes is no work."""
    with chdir(root):
        repository = Repository()
        stages = repository.steps([], everything=True)
        steps = make_plan(stages, Journal(repository.temporary).left_over())
    return any(step.kind is not StepKind.UNCHANGED for step in steps)


def run_stages(clone: Clone, options: RetrainOptions, echo: Echo) -> None:
    """Bring the stages up to date, and echo what `reprise run` prints.

    Raises PipelineError with the last lines of the stages that failed.
    """
    command = ["reprise", "run", "--pull", "-P"]
    if options.jobs:
        command += ["-j", str(options.jobs)]
    echo(f"$ {shlex.join(command)}")
    reporter = EchoReporter(echo)
    run_options = RunOptions(jobs=options.jobs or os.cpu_count() or 1, pull=True)
    try:
        with chdir(clone.root):
            errors = _run(run_options, reporter)
    except (PipelineError, *DVC_ERRORS) as error:
        message = " ".join(describe_error(error).split())
        echo(f"reprise: {message}")
        raise PipelineError(f"reprise run: failed: {message}") from None
    if errors:
        last_lines = reporter.lines_of(errors)[-LAST_LINES:]
        raise PipelineError(f"reprise run: failed: {'; '.join(last_lines)}")


def _run(options: RunOptions, reporter: "EchoReporter") -> Collection[Stage]:
    """Run all pipelines of the current folder, and return the stages that failed."""
    repository = Repository()
    with repository.lock(lambda who: reporter.note(f"waiting for {who} to release DVC's lock")):
        stages = repository.steps([], everything=True)
        steps = make_plan(stages, Journal(repository.temporary).left_over())
        durations = Durations(repository.temporary)
        reporter.plan(steps, durations)
    runner = Runner(repository, stages, options, reporter)
    try:
        runner.run()
    finally:
        names = [stage.name for stage in runner.seconds]
        reporter.summary(runner.states, durations.last_of_all(names))
    return runner.errors.keys()


class EchoReporter(ConsoleReporter):
    """Echoes the lines of a run, and remembers those that say why a stage failed."""

    def __init__(self, echo: Echo) -> None:
        super().__init__(echo)
        self._lines: list[tuple[Stage, str]] = []

    def output(self, stage: Stage, line: str) -> None:
        """Echo a line that the stage's command printed."""
        super().output(stage, line)
        self._lines.append((stage, f"{stage.name} | {line}"))

    def ended(self, stage: Stage, state: StageState, took: float | None, error: str | None) -> None:
        """Echo how the stage ended."""
        super().ended(stage, state, took, error)
        if state is StageState.FAILED:
            self._lines.append((stage, f"{stage.name}: failed: {error}"))

    def lines_of(self, stages: Collection[Stage]) -> list[str]:
        """Return what these stages printed and how they failed, in the order of the echo."""
        return [line for stage, line in self._lines if stage in stages]
