"""Loads, plans and runs the stages of the clone, in this process."""

import shlex
from collections import deque
from collections.abc import Iterable
from contextlib import chdir
from itertools import chain
from pathlib import Path

from reprise.dvc import Repository, Selection, Stage, dvc_boundary
from reprise.errors import PipelineError
from reprise.retrain.clone import Clone
from reprise.retrain.options import Echo, RetrainOptions
from reprise.retrain.shell import LAST_LINES
from reprise.runner.console import ConsoleReporter
from reprise.runner.options import RunOptions, count_cores
from reprise.runner.plan import plan_stages
from reprise.runner.session import plan_and_run
from reprise.runner.states import StageState, StepKind


def load_stages(root: Path) -> list[Stage]:
    """Load the stages of all pipelines in the folder, in plan order."""
    with chdir(root), Repository() as repository:
        return all_stages(repository)


def all_stages(repository: Repository) -> list[Stage]:
    """Collect the stages of all pipelines, in plan order."""
    return repository.collect_stages([], Selection(all_pipelines=True))


def has_work(root: Path) -> bool:
    """Tell by the plan whether a stage would run: an import of the same bytes is no work."""
    with chdir(root), Repository() as repository:
        steps = plan_stages(repository, all_stages(repository), RunOptions())
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
    run_options = RunOptions(jobs=options.jobs or count_cores(), pull=True)
    try:
        with dvc_boundary(), chdir(clone.root), Repository() as repository:
            runner = plan_and_run(repository, all_stages, run_options, reporter)
    except PipelineError as error:
        echo(f"reprise: {error}")
        raise PipelineError(f"reprise run: failed: {error}") from None
    if runner.errors:
        lines = reporter.last_lines(runner.errors)
        raise PipelineError(f"reprise run: failed: {'; '.join(lines)}")


class EchoReporter(ConsoleReporter):
    """Echoes the lines of a run, and remembers the last ones of each stage."""

    def __init__(self, echo: Echo) -> None:
        super().__init__(echo)
        self._count = 0  # lines so far, of all stages
        self._lines: dict[Stage, deque[tuple[int, str]]] = {}

    def output(self, stage: Stage, line: str) -> None:
        """Echo a line that the stage's command printed."""
        super().output(stage, line)
        self._remember(stage, f"{stage.name} | {line}")

    def ended(self, stage: Stage, state: StageState, took: float | None, error: str | None) -> None:
        """Echo how the stage ended."""
        super().ended(stage, state, took, error)
        if state is StageState.FAILED:
            self._remember(stage, f"{stage.name}: failed: {error}")

    def _remember(self, stage: Stage, line: str) -> None:
        lines = self._lines.setdefault(stage, deque(maxlen=LAST_LINES))
        lines.append((self._count, line))
        self._count += 1

    def last_lines(self, stages: Iterable[Stage]) -> list[str]:
        """Return the last of what these stages printed, and how they failed, in that order."""
        lines = sorted(chain.from_iterable(self._lines[stage] for stage in stages))
        last = []
        for _, line in lines[-LAST_LINES:]:
            last.append(line)
        return last
