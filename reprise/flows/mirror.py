"""Mirrors a run in Prefect: a task run for each stage, which runs the stage's commands and ends as the stage did.

Two of Prefect's own means are not used. Its timeout can't interrupt a task in a thread, so the command's is ours. The
pause before a retry is the runner's, and the task run is *Retrying* in it: Prefect sleeps, and can't be woken to end.
"""

import shutil
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from prefect import get_run_logger
from prefect.client.schemas.objects import RunInput, TaskRunResult
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner
from prefect.tasks import Task

from reprise.dvc import Stage
from reprise.flows.mailbox import POLL, Mailbox, remove_stale_mailboxes
from reprise.flows.task import Ending, follow, tell
from reprise.process.groups import end_noted_group
from reprise.process.job import Job, JobEnd, JobResult
from reprise.runner.attempt import Attempt
from reprise.runner.plan import Step
from reprise.runner.runner import Runner
from reprise.runner.states import StageState
from reprise.sandbox.worker import Worker

FEW = 20  # unchanged stages up to which each has a task run; more of them stand in the plan alone
LIMIT = "reprise-"  # before a group's name, of its global concurrency limit
PATIENCE = 20.0  # seconds for the last task runs to end: one may wait for a slot, or its worker may be gone

Future: TypeAlias = "PrefectFuture[Ending]"


@dataclass
class _Sent:
    """A task run that has the stage's job."""

    box: Mailbox
    future: Any
    attempt: int = 0


class Posted:
    """The job's processes, run by a task run."""

    def __init__(self, sent: _Sent) -> None:
        self._box, self._future = sent.box, sent.future.wrapped_future
        self._attempt = sent.attempt
        self._over = threading.Event()

    def run(self, folder: Path, note: Path) -> JobResult:
        self._box.put(f"start-{self._attempt}", {"folder": str(folder), "note": str(note)})
        answer = None
        while answer is None and not self._over.wait(POLL):
            done = self._future.done()
            answer = self._box.get(f"outcome-{self._attempt}")
            if answer is None and done:
                break
        end_noted_group(
            note
        )  # of a worker process that was killed, or of commands that must end now
        return (
            JobResult(**answer)
            if answer is not None
            else JobResult(JobEnd.LOST, JobEnd.LOST.description, 0.0)
        )

    def interrupt(self, number: int) -> None:
        self._box.put("signal", number)

    def kill(self) -> None:
        """On this host by the process group's number, elsewhere by the task run."""
        self._box.put("signal", signal.SIGKILL)
        self._over.set()


class FlowRunner(Runner):
    """The runner, whose commands are run by task runs."""

    reporter: "FlowReporter"

    def start_worker(self, stage: Stage, worker: Worker) -> None:
        worker.execution = self.reporter.post(stage, worker.job)
        worker.start()

    def show_output(self, attempt: Attempt, *, whole: bool = False) -> None:
        """Nothing: the task run reads the log itself."""


class FlowReporter:
    """Makes a task run of each stage that runs, is restored or fails, and tells it what happens."""

    def __init__(
        self, steps: Sequence[Step], folder: Path, ours: TaskRunner[Any], theirs: TaskRunner[Any]
    ) -> None:
        """`folder`: for boxes; `ours`: for task runs that run nothing; `theirs`: for those that run commands."""
        self._folder, self._ours, self._theirs = folder, ours, theirs
        self._sent: dict[Stage, _Sent] = {}
        self._futures: dict[Stage, Future] = {}
        self._logger = get_run_logger()
        self._shows_unchanged = sum(s.kind == "unchanged" for s in steps) <= FEW
        remove_stale_mailboxes(folder)

    def post(self, stage: Stage, job: Job) -> Posted:
        """To the stage's task run, which is made for the first attempt."""
        if stage not in self._sent:
            box, settings = Mailbox.new(self._folder, len(self._sent)), stage.settings
            group = f"{LIMIT}{settings.group}" if settings.group else None
            named = follow.with_options(task_run_name=stage.name, retries=settings.retries)
            self._submit(stage, self._theirs, named, job=job, box=box, group=group)
            self._sent[stage] = _Sent(box, self._futures[stage])
        self._sent[stage].attempt += 1
        return Posted(self._sent[stage])

    def _submit(
        self, stage: Stage, to: TaskRunner[Any], what: Task[..., Any], **parameters: Any
    ) -> None:
        """The stages above are done: they are named for the UI alone, so futures need not travel."""
        ended = [self._futures[s].task_run_id for s in stage.upstream if s in self._futures]
        above: set[RunInput] = {TaskRunResult(id=run) for run in ended}
        first = next(iter(parameters))  # Prefect wants them under a parameter's name
        self._futures[stage] = to.submit(what, parameters, dependencies={first: above})

    def started(self, stage: Stage) -> None:
        pass

    def output(self, stage: Stage, line: str) -> None:
        pass

    def retrying(self, stage: Stage, error: str) -> None:
        sent = self._sent[stage]
        sent.box.put(f"again-{sent.attempt}", error)

    def ended(
        self, stage: Stage, state: StageState, seconds: float | None, error: str | None
    ) -> None:
        if stage in self._sent:
            self._sent[stage].box.put("end", [state, error])
        elif state != "skipped" and (state != "unchanged" or self._shows_unchanged):
            self._submit(
                stage,
                self._ours,
                tell.with_options(task_run_name=stage.name),
                state=state,
                error=error,
            )

    def note(self, text: str) -> None:
        self._logger.info("%s", text)

    def tick(self) -> None:
        pass

    def finish(self) -> None:
        """Ends the task runs of stages that did not end, and waits for all."""
        for sent in self._sent.values():
            if sent.box.get("end") is None:
                sent.box.put("end", ["interrupted", None])
        deadline = time.monotonic() + PATIENCE
        for future in self._futures.values():
            future.wait(max(0.0, deadline - time.monotonic()))
        for sent in self._sent.values():
            shutil.rmtree(sent.box.folder, ignore_errors=True)
