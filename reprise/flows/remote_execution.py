"""Run a stage's job in its task run, wherever that is."""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from prefect.futures import PrefectWrappedFuture

from reprise.flows.mailbox import POLL
from reprise.flows.messages import LOST, StageMailbox, Start
from reprise.process.groups import end_noted_group
from reprise.process.job import JobEnd, JobResult
from reprise.process.namespace import Mount

TaskRunFuture: TypeAlias = PrefectWrappedFuture[Any, Any]


class RemoteExecution:
    """Has a task run do one attempt at the job. Implements `reprise.process.job.Execution`."""

    def __init__(self, mailbox: StageMailbox, task_run: TaskRunFuture, attempt: int) -> None:
        """Prepare the attempt, which `run` starts."""
        self.attempt = attempt
        self.mounts: Sequence[Mount] = ()  # of the attempt's sandbox
        self._mailbox = mailbox
        self._task_run = task_run
        self._result: JobResult | None = None
        self._killed = threading.Event()

    def next_attempt(self) -> "RemoteExecution":
        """Make the execution of the next attempt, by the same task run."""
        return RemoteExecution(self._mailbox, self._task_run, self.attempt + 1)

    @property
    def timed_out(self) -> bool:
        """Tell whether the job took longer than its timeout."""
        return self._result is not None and self._result.end is JobEnd.TIMED_OUT

    @property
    def command_failed(self) -> bool:
        """Tell whether a command ended with another status than 0."""
        return self._result is not None and self._result.end is JobEnd.FAILED

    def run(self, folder: Path, note: Path) -> JobResult:
        """Run the job in the folder. `note`: a file for the number of the process group."""
        self._mailbox.send_start(self.attempt, Start(folder, note, self.mounts))
        self._result = self._wait_for_result()
        # The worker process may have been killed, or the commands must end now.
        end_noted_group(note)
        return self._result

    def _wait_for_result(self) -> JobResult:
        while not self._killed.wait(POLL):
            # Asked first: the result comes before the task run's end.
            task_run_ended = self._task_run.wrapped_future.done()
            result = self._mailbox.result(self.attempt)
            if result is not None:
                return result
            if task_run_ended:
                return self._lost()
        return LOST

    def _lost(self) -> JobResult:
        """Say what may have become of a task run that ended without a result."""
        if self._mailbox.was_claimed(self.attempt):
            return LOST
        error = (
            f"the worker ended, or found no {self._mailbox.folder}; expected this folder at the"
            " same path on every machine of the workers"
        )
        return JobResult(JobEnd.LOST, error, 0.0)

    def interrupt(self, number: int) -> None:
        """Send the signal to the process group; no further command is started."""
        self._mailbox.send_signal(number)

    def kill(self) -> None:
        """End what still runs: here by the process group's number, elsewhere by the task run."""
        self._mailbox.send_signal(signal.SIGKILL)
        self._killed.set()
