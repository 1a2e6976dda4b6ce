"""The task run of a stage: runs its commands wherever Prefect put it, logs their lines, ends as the runner says."""

import logging
import signal
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State as PrefectState
from prefect.context import TaskRunContext
from prefect.states import Cancelled, Completed, Failed

from reprise.flows.concurrency import slot
from reprise.flows.mailbox import POLL, Abandoned, Mailbox
from reprise.process.job import GRACE, Job, JobEnd, JobResult, LocalExecution
from reprise.process.log import Log

Ending: TypeAlias = "PrefectState[Any]"
Logger: TypeAlias = "logging.Logger | logging.LoggerAdapter[Any]"


class Again(Exception):  # noqa: N818
    """An attempt failed that the runner will repeat."""


def _is_again(_task: Any, _run: Any, state: Ending) -> bool:
    return state.message is not None and Again.__name__ in state.message


@task(cache_policy=NO_CACHE)
def tell(state: str, error: str | None) -> Ending:
    """What became of a stage whose commands did not run."""
    return ending(state, error)


@task(cache_policy=NO_CACHE, retry_condition_fn=_is_again)
def follow(job: Job, box: Mailbox, group: str | None) -> Ending:
    """One attempt. `group`: the name of a global concurrency limit that the commands take a slot of.

    The runner keeps deciding: whether an outcome is a failure, is tried again, or could be recorded.
    """
    attempt = _attempt()
    said = box.wait("end", f"start-{attempt}")
    if said != "end":
        if box.get(f"outcome-{attempt}") is None:
            run_once(job, box, group, attempt)
        said = box.wait("end", f"again-{attempt}")
    if said != "end":
        raise Again(box.get(said))
    return ending(*box.get("end"))


def _attempt() -> int:
    context = TaskRunContext.get()
    assert context is not None
    return context.task_run.run_count


def run_once(job: Job, box: Mailbox, group: str | None, attempt: int) -> None:
    """Puts the outcome of the job's commands into the box; they don't start when they were asked to end before."""
    if not box.take(
        f"taken-{attempt}"
    ):  # Dask repeats what a worker that died was at, in a used sandbox
        box.put(f"outcome-{attempt}", asdict(JobResult(JobEnd.LOST, JobEnd.LOST.description, 0.0)))
        return
    start = box.get(f"start-{attempt}")
    with slot(group, box):
        if box.get("signal") is not None:  # the runner may be gone already, and DVC's lock with it
            outcome = JobResult(JobEnd.INTERRUPTED, "interrupted", 0.0)
        else:
            outcome = _run(job, box, Path(start["folder"]), Path(start["note"]))
        box.put(
            f"outcome-{attempt}", asdict(outcome)
        )  # first: the server that has the slot may be gone


def _run(job: Job, box: Mailbox, folder: Path, note: Path) -> JobResult:
    processes, log, logger = LocalExecution(job), Log(job.log), get_run_logger()
    asked = None
    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(processes.run, folder, note)
        try:
            while wait([outcome], POLL).not_done:
                _show(log.new_lines(), logger)
                box.check()
                number = box.get("signal")
                if number != asked:
                    processes.interrupt(number)
                    asked = number
        except Abandoned:
            processes.interrupt(signal.SIGTERM)
            wait([outcome], GRACE)
            processes.kill()
            raise
    _show(log.new_lines(whole=True), logger)
    return outcome.result()


def _show(lines: list[str], logger: Logger) -> None:
    for line in lines:
        logger.info("%s", line)


def ending(state: str, error: str | None) -> Ending:
    """Made where and when the task run ends: the server drops a state that is older than Attempt."""
    if state == "failed":
        return Failed(
            message=error, name="TimedOut" if (error or "").startswith("timed out") else "Failed"
        )
    if state == "interrupted":
        return Cancelled(message="interrupted")
    return Completed(
        name={"unchanged": "Unchanged", "restored": "Restored"}.get(state, "Completed")
    )
