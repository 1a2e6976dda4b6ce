"""Runs one stage in a sandbox aside: the workspace, the cache and dvc.lock stay as they are."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprise.command import Command
from reprise.interrupt import Interrupted, handled
from reprise.log import Log
from reprise.processes import Job, Outcome
from reprise.repository import Stage
from reprise.sandbox import Sandbox


@dataclass(frozen=True)
class Aside:
    """What became of it. error: None when the commands went well; output: the end of what they printed."""

    error: str | None
    output: str


def folder_aside(stage: Stage) -> Path:
    """For the sandbox."""
    return stage.repository.temporary / "sandbox" / f"{os.getpid()}-aside"


@contextmanager
def aside(sandbox: Sandbox, start: Callable[[Any], Any] = list) -> Iterator[Aside]:
    """The sandbox, not built yet, is there until the block ends. `start`: makes of a command what is to start it.

    Raises Interrupted on SIGINT and SIGTERM.
    """
    stage, temporary = sandbox.stage, sandbox.stage.repository.temporary
    ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    argv = [(text, start(stage.argv(text))) for text in stage.commands]
    log = Log(temporary / "logs" / f"{stage.slug}.aside.log")
    job = Job(argv, stage.environment, stage.settings.timeout, log.path)
    command = Command(job, sandbox, stage.wdir, temporary / "groups" / sandbox.folder.name, ended.put)
    try:
        with interruptible():
            command.start()
            try:
                error = ended.get().error
            except Interrupted as e:
                command.ask_to_end(e.number)
                command.make_end()
                raise
        missing = sandbox.missing_outs() if error is None else []
        if missing:
            error = f"the command wrote no {', '.join(missing)}"
        yield Aside(error, log.tail())
    finally:
        sandbox.remove()


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM raise Interrupted. In another thread than the main one, nobody signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _: object) -> None:
        raise Interrupted(number)

    with handled(interrupt):
        yield
