"""Run one stage in a sandbox and leave the workspace, the cache and dvc.lock as they are."""

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
    """Holds how an isolated run ended.

    error: why it failed, None if it did not. output: the end of what the commands printed.
    """

    error: str | None
    output: str


def isolated_folder(stage: Stage) -> Path:
    """Return the folder to make a sandbox for `run_isolated` in."""
    folders = StateFolders(stage.workspace.temporary)
    return folders.sandboxes / f"{folders.processes.own()}-isolated"


@contextmanager
def run_isolated(sandbox: Sandbox, start: Callable[[Any], Any] = list) -> Iterator[RunResult]:
    """Build the sandbox and run its stage in it. It is there until the block ends.

    start: turns a command's arguments into those that start it. Raises Interrupted on SIGINT and
    SIGTERM.
    """
    stage = sandbox.stage
    folders = StateFolders(stage.workspace.temporary)
    argv = [(text, start(stage.argv(text))) for text in stage.commands]
    log = Log(folders.logs / f"{stage.slug}.isolated.log")
    environment = {**stage.environment, **sandbox.environment}
    job = Job(argv, environment, stage.settings.timeout, log.path, sandbox.mounts)
    results: queue.SimpleQueue[JobResult] = queue.SimpleQueue()
    worker = Worker(job, sandbox, stage.wdir, folders.groups / sandbox.folder.name, results.put)
    try:
        error = _run(worker, results).error
        if error is None:
            error = sandbox.outs_error()
        yield RunResult(error, log.tail())
    finally:
        sandbox.remove()


def _run(worker: Worker, results: "queue.SimpleQueue[JobResult]") -> JobResult:
    """Run the worker and wait for its result. Raises Interrupted after its commands were ended."""
    with interruptible():
        worker.start()
        try:
            return results.get()
        except Interrupted as e:
            worker.interrupt(e.number)
            worker.stop()
            raise
