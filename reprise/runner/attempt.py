"""Run a stage's commands once: from the sandbox until the outs are in the workspace."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reprise.dvc import Stage
from reprise.errors import PipelineError
from reprise.process.job import GRACE, Job, JobResult
from reprise.process.log import Log
from reprise.process.namespace import Mount
from reprise.sandbox.choice import make_sandbox
from reprise.sandbox.diagnosis import diagnose
from reprise.sandbox.sandbox import Contents, Sandbox
from reprise.sandbox.worker import Worker
from reprise.sandbox.writes import Writes
from reprise.shorten import shorten
from reprise.state.folders import StateFolders

CHANGES_SHOWN = 3  # of inputs, in an error
FULL = 2**16  # bytes: a disk with less is as good as full
BUSY = (
    "a folder that the sandbox shows can be emptied, but not removed or renamed:"
    " expected `rm -rf folder/*`, or `sandbox: false`"
)


@dataclass(frozen=True)
class AttemptResult:
    """Holds what is wrong with an attempt, if anything.

    error: why the command failed, which outs it did not write, or what it wrote of others.
    writes: what it left beside its outs.
    """

    error: str | None
    writes: Writes = field(default_factory=Writes)


class Attempt:
    """Holds one attempt at a stage: its inputs, its sandbox, its log, and the worker to start.

    inputs: as they were when the attempt was prepared. It runs with those, and they are recorded.
    """

    def __init__(
        self,
        stage: Stage,
        number: int,
        folders: StateFolders,
        name: str,
        *,
        sandboxed: bool,
        left: Sequence[Path] = (),
        reads_stdin: bool,
        ended: Callable[[JobResult], None],
    ) -> None:
        """Prepare the attempt; nothing is started yet.

        number: from 1. name: for its files in `folders`; begins with this process's number.
        left: files that the stage left beside its outs before.
        reads_stdin: the commands get the standard input of this process.
        ended: called from the worker's thread.
        """
        self.stage = stage
        self.number = number
        self.sandbox: Sandbox | None = None
        mounts: Sequence[Mount] = ()
        environment = stage.environment
        self.inputs = stage.take_inputs()
        if sandboxed:
            contents = Contents(inputs=self.inputs, left=left)
            self.sandbox = make_sandbox(stage, folders.sandboxes / name, contents)
            mounts = self.sandbox.mounts
            environment = {**environment, **self.sandbox.environment}
        else:
            stage.clear()
        self.log = Log(folders.logs / f"{stage.slug}.log")
        argv = [(text, stage.argv(text)) for text in stage.commands]
        timeout = stage.settings.timeout
        job = Job(argv, environment, timeout, self.log.path, mounts, reads_stdin)
        self.worker = Worker(job, self.sandbox, stage.wdir, folders.groups / name, ended)

    def bring_back(self, error: str | None) -> AttemptResult:
        """Move the outs into the workspace and look for what is wrong. error: the command's own."""
        if self.sandbox is None:
            return AttemptResult(error)
        if error is None:
            error = self.sandbox.outs_error()
        else:
            causes = self._full_disk(self.sandbox)
            error = "; ".join([*causes, error, *self._hints(self.sandbox)])
        writes = self.sandbox.bring_back()
        if error is None and writes.conflicts:
            error = f"the command {'; '.join(writes.conflicts)}"
        return AttemptResult(error, writes)

    def _hints(self, sandbox: Sandbox) -> list[str]:
        """Say what in the sandbox may be why the command failed."""
        output = self.log.tail()
        hints = []
        for item in diagnose(sandbox, output):
            hints.append(item.describe(self.stage))
        if sandbox.mounts and os.strerror(errno.EBUSY) in output:
            hints.append(BUSY)
        return hints

    def _full_disk(self, sandbox: Sandbox) -> list[str]:
        """Say that the sandbox's disk is full, if so: the log may lack the command's own word."""
        if shutil.disk_usage(sandbox.folder).free >= FULL:
            return []
        return [f"{sandbox.folder.parent}: {os.strerror(errno.ENOSPC)}; make room and run again"]

    def check_inputs(self) -> None:
        """Raise PipelineError if an input changed where the command may have read it.

        Nobody can say then what the outs were made of.
        """
        changes = [str(change) for change in self.inputs.changes()]
        if changes:
            raise PipelineError(
                "inputs changed while the command ran "
                f"({shorten(changes, CHANGES_SHOWN)}): its outs are there, "
                "but nothing is recorded; the next run runs it again"
            )

    def give_up(self) -> None:
        """Keep of an attempt that counts for nothing what is to persist."""
        if self.sandbox is not None:
            self.sandbox.keep_persistent()

    def remove(self) -> None:
        """Remove the sandbox, with what is left in it."""
        if self.sandbox is not None:
            self.sandbox.remove()
            self.inputs.note_unlinked()


def end_all(attempts: Collection[Attempt], number: int) -> None:
    """Send the signal to all process groups; SIGKILL to those that live on after GRACE seconds."""
    for attempt in attempts:
        attempt.worker.interrupt(number)
    deadline = time.monotonic() + GRACE
    for attempt in attempts:
        attempt.worker.stop(deadline - time.monotonic())
        attempt.give_up()
        attempt.remove()
