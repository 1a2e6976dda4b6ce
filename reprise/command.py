"""A stage's commands in a thread: the runner goes on meanwhile."""

import threading
from collections.abc import Callable
from pathlib import Path

from reprise.processes import FAULTS, GRACE, Execution, Job, Outcome, Processes, said
from reprise.sandbox import Sandbox


class Command(threading.Thread):
    """Builds the sandbox and has the job run in it; then calls `done`, from its own thread."""

    def __init__(
        self, job: Job, sandbox: Sandbox | None, folder: Path, note: Path, done: Callable[[Outcome], None]
    ) -> None:
        """`folder`: where, if there is no sandbox; `note`: as in `Execution.run`."""
        super().__init__(daemon=True)
        self.job, self._sandbox, self._folder, self._note, self._done = job, sandbox, folder, note, done
        self.execution: Execution = Processes(job)  # another may take its place before the start
        job.log.unlink(missing_ok=True)  # of an earlier run

    def run(self) -> None:
        outcome = Outcome("internal error", 0.0)
        try:
            if self._sandbox is not None:
                self._sandbox.build()
            outcome = self.execution.run(self._folder if self._sandbox is None else self._sandbox.wdir, self._note)
        except FAULTS as e:
            outcome = Outcome(said(e, self.job.log), 0.0)
        finally:
            self._done(outcome)

    def ask_to_end(self, number: int) -> None:
        """Sends the signal to the process group; no further command is started."""
        self.execution.ask_to_end(number)

    def make_end(self, patience: float = GRACE) -> None:
        """Waits so many seconds after `ask_to_end`; what then still runs in the process group is killed."""
        if self.ident is None:  # not started: it will find that it was asked to end
            return
        self.join(max(0.0, patience))
        self.execution.kill()
        self.join()
