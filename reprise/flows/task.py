"""Define the task runs of a stage: one runs its commands, the other reports how it ended."""

import logging
import signal
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, TypeAlias

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext

from reprise.flows.concurrency import hold_slot
from reprise.flows.mailbox import POLL, RunnerGoneError
from reprise.flows.messages import LOST, Retry, StageMailbox, Start
from reprise.flows.progress import LiveRows, Progress
from reprise.flows.states import StateName, make_state
from reprise.process.job import GRACE, Job, JobEnd, JobResult, LocalExecution
from reprise.process.log import Log

Logger: TypeAlias = "logging.Logger | logging.LoggerAdapter[Any]"


class RetryRequested(Exception):  # noqa: N818
    """Ends an attempt that the runner will repeat."""


def _is_retry_requested(_task: Any, _run: Any, state: "State[Any]") -> bool:
    return isinstance(state.data, RetryRequested)


@task(cache_policy=NO_CACHE)
def report_state(name: StateName, message: str) -> "State[Any]":
    """Report how a stage ended whose commands did not run."""
    return _end(name, message)


@task(cache_policy=NO_CACHE, retry_condition_fn=_is_retry_requested)
def run_stage(job: Job, mailbox: StageMailbox, limit: str | None, live: LiveRows) -> "State[Any]":
    """Run one attempt at the job wherever Prefect put it, and end as the runner says.

    The runner decides whether the result is a failure, is tried again, or could be recorded.
    limit: the concurrency limit of which the commands hold a slot; live: the rows by which
    progress is shown.
    """
    context = TaskRunContext.get()
    assert context is not None
    attempt = context.task_run.run_count
    if mailbox.wait_for_start(attempt) and mailbox.result(attempt) is None:
        run_attempt(job, mailbox, limit, attempt, live)
    decision = mailbox.wait_for_decision(attempt)
    if isinstance(decision, Retry):
        raise RetryRequested(decision.error)
    return _end(decision.state, decision.message)


def _end(name: StateName, message: str) -> "State[Any]":
    logging.getLogger("prefect.task_runs").addFilter(_says_more_than_the_state)
    return make_state(name, message)


def _says_more_than_the_state(record: logging.LogRecord) -> bool:
    """Drop Prefect's error for a state that a task run returns: the next line says the same."""
    return not str(record.msg).startswith("Task run failed with state: ")


def run_attempt(
    job: Job, mailbox: StageMailbox, limit: str | None, attempt: int, live: LiveRows
) -> None:
    """Run the job's commands, unless a signal came before they start, and send their result."""
    if not mailbox.claim_attempt(attempt):
        # Dask repeats what a worker that died was at, but the sandbox is used.
        mailbox.send_result(attempt, LOST)
        return
    start = mailbox.start(attempt)
    with hold_slot(limit, mailbox):
        if mailbox.signal() is None:
            result = _run_commands(job, mailbox, start, Progress(live))
        else:  # the runner may be gone already, and DVC's lock with it
            result = JobResult(JobEnd.INTERRUPTED, "interrupted", 0.0)
        # Before the slot is given back: the server that has it may be gone.
        mailbox.send_result(attempt, result)


def _run_commands(job: Job, mailbox: StageMailbox, start: Start, progress: Progress) -> JobResult:
    execution = LocalExecution(replace(job, mounts=start.mounts))
    log = Log(job.log)
    logger = get_run_logger()
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(execution.run, start.folder, start.note)
        try:
            _follow(future, execution, mailbox, log, logger, progress)
        except RunnerGoneError:
            execution.interrupt(signal.SIGTERM)
            wait([future], GRACE)
            execution.kill()
            raise
    _log_lines(log.new_lines(whole=True), logger)
    result = future.result()
    if result.end is JobEnd.SUCCEEDED:
        progress.finish()
    return result


def _follow(
    future: "Future[JobResult]",
    execution: LocalExecution,
    mailbox: StageMailbox,
    log: Log,
    logger: Logger,
    progress: Progress,
) -> None:
    """Log the commands' lines, show progress and pass signals to them, until they end."""
    passed_signal = None
    while wait([future], POLL).not_done:
        _log_lines(log.new_lines(), logger)
        progress.look()
        mailbox.check_runner()
        number = mailbox.signal()
        if number is not None and number != passed_signal:
            execution.interrupt(number)
            passed_signal = number


def _log_lines(lines: list[str], logger: Logger) -> None:
    for line in lines:
        logger.info("%s", line)
