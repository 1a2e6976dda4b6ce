"""A stage's command in its sandbox, from its start until its outs are in the workspace."""

import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path

from reprise.command import Command
from reprise.failure import asked_for
from reprise.journal import is_of_another
from reprise.log import Log
from reprise.processes import GRACE, Job, Outcome, end_orphan
from reprise.repository import Stage
from reprise.sandbox import Sandbox
from reprise.undeclared import Undeclared


class Running:
    """One attempt at a stage. `command` is made, and not started yet."""

    def __init__(
        self, stage: Stage, attempt: int, folder: Path, name: str, *, sandboxed: bool, ended: Callable[[Outcome], None]
    ) -> None:
        """`folder`: for sandboxes, logs and process groups; `name`: for what it has there, from the process's id."""
        self.stage, self.attempt = stage, attempt
        self.sandbox = Sandbox(stage, folder / "sandbox" / name) if sandboxed else None
        if not sandboxed:
            stage.clear()
        argv = [(text, stage.argv(text)) for text in stage.commands]
        self.log = Log(folder / "logs" / f"{stage.slug}.log")
        job = Job(argv, stage.environment, stage.settings.timeout, self.log.path)
        self.command = Command(job, self.sandbox, stage.wdir, folder / "groups" / name, ended)

    def bring_back(self, error: str | None) -> tuple[str | None, list[str]]:
        """Moves the outs into the workspace: what is wrong with the command or its outs; what it left beside them."""
        if self.sandbox is None:
            return error, []
        if error is None:
            missing, writes = self.sandbox.missing_outs(), self.sandbox.undeclared_writes()
            error = f"the command wrote no {', '.join(missing)}" if missing else None
        else:
            undeclared: list[Undeclared] = asked_for(self.sandbox, self.log.tail())
            error, writes = "; ".join([error, *(u.said(self.stage) for u in undeclared)]), []
        self.sandbox.bring_back()
        return error, writes

    def remove(self) -> None:
        """The sandbox, with what is left in it."""
        if self.sandbox is not None:
            self.sandbox.remove()


def end_all(all_running: Collection[Running], number: int) -> None:
    """Sends the signal to all process groups; SIGKILL to those that live on after GRACE seconds."""
    for running in all_running:
        running.command.ask_to_end(number)
    deadline = time.monotonic() + GRACE
    for running in all_running:
        running.command.make_end(deadline - time.monotonic())
        running.remove()


def clean_up_after_others(folder: Path) -> None:
    """Commands and sandboxes of runs that were killed."""
    for note in (folder / "groups").glob("*"):
        if not is_of_another(int(note.name.split("-")[0])):
            end_orphan(note)
    for sandbox in (folder / "sandbox").glob("*"):
        if not is_of_another(int(sandbox.name.split("-")[0])):
            shutil.rmtree(sandbox, ignore_errors=True)
