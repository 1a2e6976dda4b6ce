"""Runs one stage in a sandbox run_isolated: the workspace, the cache and dvc.lock stay as they are."""

import os
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprise.dvc import Stage
from reprise.process.job import Job, JobResult
from reprise.process.log import Log
from reprise.process.signals import Interrupted, interruptible
from reprise.sandbox.sandbox import Sandbox
from reprise.sandbox.worker import Worker
from reprise.state.folders import StateFolders


@dataclass(frozen=True)
class RunResult:
    """What became of it. error: None when the commands went well; output: the end of what they printed."""

    error: str | None
    output: str


def isolated_folder(stage: Stage) -> Path:
    """For the sandbox."""
    return StateFolders(stage.workspace.temporary).sandboxes / f"{os.getpid()}-isolated"


@contextmanager
def run_isolated(sandbox: Sandbox, start: Callable[[Any], Any] = list) -> Iterator[RunResult]:
    """The sandbox, not built yet, is there until the block ends. `start`: makes of a command what is to start it.

    Raises Interrupted on SIGINT and SIGTERM.
    """
    stage = sandbox.stage
    folders = StateFolders(stage.workspace.temporary)
    ended: queue.SimpleQueue[JobResult] = queue.SimpleQueue()
    argv = [(text, start(stage.argv(text))) for text in stage.commands]
    log = Log(folders.logs / f"{stage.slug}.isolated.log")
    job = Job(argv, stage.environment, stage.settings.timeout, log.path)
    worker = Worker(job, sandbox, stage.wdir, folders.groups / sandbox.folder.name, ended.put)
    try:
        with interruptible():
            worker.start()
            try:
                error = ended.get().error
            except Interrupted as e:
                worker.interrupt(e.number)
                worker.stop()
                raise
        missing = sandbox.missing_outs() if error is None else []
        if missing:
            error = f"the command wrote no {', '.join(missing)}"
        yield RunResult(error, log.tail())
    finally:
        sandbox.remove()
