"""Run a stage's job in a thread, so that the runner goes on meanwhile."""

import threading
from collections.abc import Callable
from pathlib import Path

from reprise.process.job import (
    FAULTS,
    GRACE,
    Execution,
    Job,
    JobEnd,
    JobResult,
    LocalExecution,
    describe_fault,
)
from reprise.sandbox.sandbox import Sandbox


class Worker(threading.Thread):
    """Builds the sandbox, has the job run in it, then calls `done` from this thread."""

    def __init__(
        self,
        job: Job,
        sandbox: Sandbox | None,
        folder: Path,
        note: Path,
        done: Callable[[JobResult], None],
    ) -> None:
        """Prepare the thread.

        folder: where to run if there is no sandbox. note: as in `Execution.run`.
        """
        super().__init__(daemon=True)
        self.job = job
        self._sandbox = sandbox
        self._folder = folder
        self._note = note
        self._done = done
        # Another execution may take its place before the start.
        self.execution: Execution = LocalExecution(job)
        job.log.unlink(missing_ok=True)  # an earlier run's

    def run(self) -> None:
        """Build the sandbox and run the job in it. Called in the thread."""
        result = JobResult(JobEnd.FAILED, "internal error", 0.0)
        try:
            folder = self._folder
            if self._sandbox is not None:
                self._sandbox.build()
                folder = self._sandbox.wdir
            result = self.execution.run(folder, self._note)
        except FAULTS as fault:
            result = JobResult(JobEnd.FAILED, describe_fault(fault, self.job.log), 0.0)
        finally:
            self._done(result)

    def interrupt(self, number: int) -> None:
        """Send the signal to the process group; no further command is started."""
        self.execution.interrupt(number)

    def stop(self, patience: float = GRACE) -> None:
        """Kill what still runs in the process group so many seconds after `interrupt`."""
        if self.ident is None:  # not started; it will find that it was interrupted
            return
        self.join(max(0.0, patience))
        self.execution.kill()
        self.join()
