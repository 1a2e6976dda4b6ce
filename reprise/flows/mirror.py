"""Mirror a run in Prefect: a task run for each stage, which runs its commands and ends as it did.

Two means of Prefect are not used. Its timeout can't interrupt a task in a thread: the timeout of
the commands is ours. Its pause before a retry can't be woken to end: the runner pauses, and the
task run is *Retrying* meanwhile.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import RunInput, TaskRunResult
from prefect.task_runners import TaskRunner
from prefect.tasks import Task

from reprise.dvc import Stage
from reprise.flows.concurrency import limit_name
from reprise.flows.mailbox import remove_stale_mailboxes
from reprise.flows.messages import StageMailbox
from reprise.flows.progress import live_rows
from reprise.flows.remote_execution import RemoteExecution, TaskRunFuture
from reprise.flows.server.project import slug
from reprise.flows.states import StateName
from reprise.flows.task import report_state, run_stage
from reprise.process.job import Job
from reprise.process.log import Log
from reprise.runner.attempt import Attempt
from reprise.runner.plan import Step
from reprise.runner.runner import Runner
from reprise.runner.states import StageState, StepKind
from reprise.sandbox.worker import Worker
from reprise.state.folders import StateFolders
from reprise.text.values import format_seconds, single_line

MAX_UNCHANGED = 20  # task runs of unchanged stages; where there are more, the plan alone has them
LINE = 500  # characters of what a command said last
PATIENCE = 20.0  # seconds for the last task runs to end: one may wait for a slot or a dead worker

STATE_NAMES = {
    StageState.RAN: StateName.COMPLETED,
    StageState.RESTORED: StateName.RESTORED,
    StageState.UNCHANGED: StateName.UNCHANGED,
    StageState.FAILED: StateName.FAILED,
}


@dataclass
class _StageTask:
    """Holds the mailbox of the task run that runs a stage's commands, and its last attempt.

    log: the file that the commands print to.
    """

    mailbox: StageMailbox
    execution: RemoteExecution
    log: Path


class FlowRunner(Runner):
    """Brings stages up to date as Runner does, their commands run by task runs."""

    reporter: "FlowReporter"

    def start_worker(self, stage: Stage, worker: Worker) -> None:
        """Start the stage's task run, or its next attempt."""
        worker.execution = self.reporter.next_execution(stage, worker.job)
        worker.start()

    def show_output(self, attempt: Attempt, *, whole: bool = False) -> None:
        """Show nothing: the task run reads the log itself."""


class FlowReporter:
    """Makes a task run of each stage that runs, is restored or fails, and tells it what happens.

    Implements `reprise.runner.reporter.Reporter`.
    """

    def __init__(
        self,
        project: str,
        steps: Sequence[Step],
        folders: StateFolders,
        threads: TaskRunner[Any],
        engine: TaskRunner[Any],
    ) -> None:
        """Prepare to report the steps of a plan.

        project: whose concurrency limits hold; threads: for task runs without commands; engine:
        for those with.
        """
        self._project = project
        self._folder = folders.mailboxes
        self._live = folders.live
        self._threads = threads
        self._engine = engine
        self.failures: dict[str, str] = {}  # why stages failed, by their names
        self._tasks: dict[Stage, _StageTask] = {}
        self._task_runs: dict[Stage, TaskRunFuture] = {}
        self._logger = get_run_logger()
        unchanged = sum(step.kind is StepKind.UNCHANGED for step in steps)
        self._shows_unchanged = unchanged <= MAX_UNCHANGED
        remove_stale_mailboxes(folders.mailboxes)

    def next_execution(self, stage: Stage, job: Job) -> RemoteExecution:
        """Return the execution of the stage's next attempt. The first one submits the task run."""
        if stage not in self._tasks:
            mailbox = StageMailbox.create(self._folder, len(self._tasks))
            task_run = self._submit_job(stage, job, mailbox)
            execution = RemoteExecution(mailbox, task_run, 1)
            self._tasks[stage] = _StageTask(mailbox, execution, job.log)
        execution = self._tasks[stage].execution
        execution.mounts = job.mounts
        return execution

    def _submit_job(self, stage: Stage, job: Job, mailbox: StageMailbox) -> TaskRunFuture:
        settings = stage.settings
        named = run_stage.with_options(task_run_name=stage.name, retries=settings.retries)
        limit = settings.group and limit_name(self._project, settings.group)
        key = f"{self._project}-{slug(stage.name)}-progress"
        live = live_rows(stage, self._live, key)
        parameters = {"job": job, "mailbox": mailbox, "limit": limit, "live": live}
        return self._submit(stage, self._engine, named, parameters)

    def _submit(
        self,
        stage: Stage,
        task_runner: TaskRunner[Any],
        task: Task[..., Any],
        parameters: dict[str, Any],
    ) -> TaskRunFuture:
        # The stages above are done. Prefect's page draws them by the numbers of their task runs,
        # and wants those under the name of a parameter.
        upstream: set[RunInput] = set()
        for above in stage.upstream:
            if above in self._task_runs:
                upstream.add(TaskRunResult(id=self._task_runs[above].task_run_id))
        dependencies = {next(iter(parameters)): upstream}
        task_run: TaskRunFuture = task_runner.submit(task, parameters, dependencies=dependencies)
        self._task_runs[stage] = task_run
        return task_run

    # What the runner reports

    def started(self, stage: Stage) -> None:
        """Report nothing: Prefect shows when the task run starts."""

    def output(self, stage: Stage, line: str) -> None:
        """Report nothing: the task run logs its lines."""

    def retrying(self, stage: Stage, error: str) -> None:
        """Have the stage's task run wait for another attempt."""
        task = self._tasks[stage]
        task.mailbox.send_retry(task.execution.attempt, error)
        task.execution = task.execution.next_attempt()

    def ended(
        self, stage: Stage, state: StageState, seconds: float | None, error: str | None
    ) -> None:
        """End the stage's task run. Without one, make one that reports the state if it is shown."""
        task = self._tasks.get(stage)
        message = _describe(state, seconds)
        if error is not None:
            self._logger.error("%s: %s", stage.name, error)
            message = _failure(error, task)
            self.failures[stage.name] = message
        if task is not None:
            task.mailbox.send_end(_state_name(state, task.execution), message)
        elif self._is_shown(state):
            named = report_state.with_options(task_run_name=stage.name)
            parameters = {"name": STATE_NAMES[state], "message": message}
            self._submit(stage, self._threads, named, parameters)

    def _is_shown(self, state: StageState) -> bool:
        if state is StageState.UNCHANGED:
            return self._shows_unchanged
        return state is not StageState.SKIPPED

    def note(self, text: str) -> None:
        """Log the text in the flow run."""
        self._logger.info("%s", text)

    def tick(self) -> None:
        """Report nothing."""

    def finish(self) -> None:
        """End the task runs of stages that did not end, and wait for all."""
        for task in self._tasks.values():
            if task.mailbox.end() is None:
                task.mailbox.send_end(StateName.CANCELLED, StateName.CANCELLED.description)
        deadline = time.monotonic() + PATIENCE
        for task_run in self._task_runs.values():
            task_run.wait(max(0.0, deadline - time.monotonic()))
        for task in self._tasks.values():
            shutil.rmtree(task.mailbox.folder, ignore_errors=True)


def _describe(state: StageState, seconds: float | None) -> str:
    """Say what became of a stage. seconds: of its commands, if some ran."""
    if state is StageState.RAN and seconds is not None:
        return f"in {format_seconds(seconds)}"
    return state.description


def _failure(error: str, task: _StageTask | None) -> str:
    """Say why a stage failed: what its command said last, or else the error."""
    if task is None or not task.execution.command_failed:
        return error
    lines = Log(task.log).tail().split("\n")
    said = [*filter(None, map(partial(single_line, limit=LINE), lines))]
    if said:
        return said[-1]
    return error


def _state_name(state: StageState, execution: RemoteExecution) -> StateName:
    if state is StageState.FAILED and execution.timed_out:
        return StateName.TIMED_OUT
    return STATE_NAMES[state]
