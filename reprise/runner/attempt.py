"""A stage's command in its sandbox, from its start until its outs are in the workspace."""

import time
from collections.abc import Callable, Collection

from reprise.dvc import Stage
from reprise.process.job import GRACE, Job, JobResult
from reprise.process.log import Log
from reprise.sandbox.diagnosis import diagnose
from reprise.sandbox.sandbox import Sandbox
from reprise.sandbox.undeclared import Undeclared
from reprise.sandbox.worker import Worker
from reprise.state.folders import StateFolders


class Attempt:
    """One attempt at a stage. `command` is made, and not started yet."""

    def __init__(
        self,
        stage: Stage,
        attempt: int,
        folders: StateFolders,
        name: str,
        *,
        sandboxed: bool,
        ended: Callable[[JobResult], None],
    ) -> None:
        """`name`: for what it has there, from the process's id."""
        self.stage, self.attempt = stage, attempt
        self.sandbox = Sandbox(stage, folders.sandboxes / name) if sandboxed else None
        if not sandboxed:
            stage.clear()
        argv = [(text, stage.argv(text)) for text in stage.commands]
        self.log = Log(folders.logs / f"{stage.slug}.log")
        job = Job(argv, stage.environment, stage.settings.timeout, self.log.path)
        self.worker = Worker(job, self.sandbox, stage.wdir, folders.groups / name, ended)

    def bring_back(self, error: str | None) -> tuple[str | None, list[str]]:
        """Moves the outs into the workspace: what is wrong with the command or its outs; what it left beside them."""
        if self.sandbox is None:
            return error, []
        if error is None:
            missing, writes = self.sandbox.missing_outs(), self.sandbox.undeclared_writes()
            error = f"the command wrote no {', '.join(missing)}" if missing else None
        else:
            undeclared: list[Undeclared] = diagnose(self.sandbox, self.log.tail())
            error, writes = "; ".join([error, *(u.describe(self.stage) for u in undeclared)]), []
        self.sandbox.bring_back()
        return error, writes

    def remove(self) -> None:
        """The sandbox, with what is left in it."""
        if self.sandbox is not None:
            self.sandbox.remove()


def end_all(all_running: Collection[Attempt], number: int) -> None:
    """Sends the signal to all process groups; SIGKILL to those that live on after GRACE seconds."""
    for running in all_running:
        running.worker.interrupt(number)
    deadline = time.monotonic() + GRACE
    for running in all_running:
        running.worker.stop(deadline - time.monotonic())
        running.remove()
