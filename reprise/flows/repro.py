"""The `repro` flow of Prefect: the runner's own run, each stage of it mirrored by a task run."""

import contextlib
import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from reprise.dvc import DVC_ERRORS, Repository, describe_error
from reprise.dvc.history.reader import RevisionReader
from reprise.errors import PipelineError, StagesFailed
from reprise.flows.concurrency import create_limits
from reprise.flows.engine_parameters import with_engine_parameters
from reprise.flows.engines import DEFAULT_ENGINE, make_task_runner
from reprise.flows.mirror import FlowReporter, FlowRunner
from reprise.process.signals import Interrupted
from reprise.runner.options import RunOptions
from reprise.runner.plan import Step, make_plan
from reprise.runner.plan_format import format_plan
from reprise.state.durations import Durations
from reprise.state.folders import StateFolders
from reprise.state.journal import Journal

ENDINGS = {
    "Unchanged": {"unchanged"},
    "Restored": {"unchanged", "restored"},
}  # by what became of all stages


@flow(name="repro")
@with_engine_parameters
def repro(
    targets: list[str] | None = None,
    path: str = ".",
    jobs: Annotated[int, Field(ge=1)] | None = None,
    force: bool = False,
    keep_going: bool = False,
    pull: bool = False,
    sandbox: bool = True,
    downstream: bool = False,
    single_item: bool = False,
    all_pipelines: bool = False,
    *,
    runner: str = DEFAULT_ENGINE,
    report: bool = False,
    **engine_options: Any,
) -> "State[Any]":
    """Brings the stages of the DVC repository at `path` up to date, as `reprise run` does.

    runner: the engine that runs the commands. Its settings, such as `dask_address`, are parameters too.
    report: adds `reprise report HEAD` as an artifact, which takes seconds.
    PipelineError when a stage failed: Prefect retries a flow that raises, not one that returns a failed state.
    """
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # its errors come as exceptions too
    options = RunOptions(jobs or os.cpu_count() or 1, force, keep_going, pull, sandbox)
    commands = make_task_runner(runner, options.jobs, engine_options)
    which = {"downstream": downstream, "single_item": single_item, "everything": all_pipelines}
    with contextlib.chdir(path), as_prefect_knows_it():
        return _run(targets or [], which, options, commands, report)


@contextlib.contextmanager
def as_prefect_knows_it() -> Iterator[None]:
    """How a flow ends that did not complete: TerminationSignal when Prefect cancels it, else one line."""
    try:
        yield
    except Interrupted as e:
        if e.number == signal.SIGTERM:  # so Prefect sends it, to cancel
            raise TerminationSignal(signal=e.number) from None
        raise
    except DVC_ERRORS as e:
        raise PipelineError(describe_error(e)) from None


def _run(
    targets: Sequence[str],
    which: Mapping[str, bool],
    options: RunOptions,
    commands: TaskRunner[Any],
    report: bool,
) -> "State[Any]":
    repository = Repository()
    logger = get_run_logger()
    with repository.lock(lambda who: logger.info("waiting for %s to release DVC's lock", who)):
        stages = repository.steps(targets, **which)
        steps = make_plan(stages, Journal(repository.temporary).left_over(), force=options.force)
    _show_plan(steps, Durations(repository.temporary))
    create_limits(stages)
    own: TaskRunner[Any] = ThreadPoolTaskRunner()
    with _api_for_all(), own as threads, commands:
        reporter = FlowReporter(
            steps, StateFolders(repository.temporary).mailboxes, threads, commands
        )
        runner = FlowRunner(repository, stages, options, reporter, keeps_places=True)
        try:
            runner.run()
        finally:
            reporter.finish()
    if any(state in ("ran", "restored") for state in runner.states.values()):
        _show_metrics()
        if report:
            _show_report()
    if runner.errors:
        raise StagesFailed({stage.name: error for stage, error in runner.errors.items()})
    states = {*runner.states.values()}
    return Completed(
        name=next((name for name, among in ENDINGS.items() if states <= among), "Completed")
    )


@contextlib.contextmanager
def _api_for_all() -> Iterator[None]:
    """Worker processes would each start a temporary server of their own; a server that is set, they know."""
    if PREFECT_API_URL.value():
        yield
        return
    with get_client(sync_client=True) as client:
        url = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: url}):
        yield


def _show_plan(steps: Sequence[Step], durations: Durations) -> None:
    lines = "\n".join(line for _, line in format_plan(steps, durations))
    create_markdown_artifact(key="plan", description="The plan", markdown=f"```\n{lines}\n```")


def _show_metrics() -> None:
    with TemporaryDirectory(prefix="reprise-") as temporary:
        metrics = RevisionReader(Path(temporary)).metrics()
    rows = [f"| {file} | {name} | {old} | {new} |" for file, name, old, new in metrics]
    if rows:
        table = "\n".join(["| file | metric | HEAD | now |", "|---|---|---|---|", *rows])
        create_markdown_artifact(
            key="metrics", description="Metrics and their change", markdown=table
        )


def _show_report() -> None:
    from reprise.review import markdown, review  # statistics and DuckDB: a second to import

    try:
        shown = markdown(review("HEAD"))
    except (PipelineError, *DVC_ERRORS) as e:  # the stages ran all the same
        get_run_logger().warning("no report: %s", describe_error(e))
        return
    create_markdown_artifact(key="report", description="What changed since HEAD", markdown=shown)
