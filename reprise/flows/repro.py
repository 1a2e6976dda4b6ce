"""Define the flow `repro`: a run of the runner, in which a task run mirrors each stage."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from reprise.dvc import Repository, Selection, showing_warnings
from reprise.errors import StagesFailed
from reprise.flows.artifacts import show_metrics, show_plan, show_report
from reprise.flows.concurrency import create_limits
from reprise.flows.endings import prefect_endings
from reprise.flows.engine_parameters import with_engine_parameters
from reprise.flows.engines import DEFAULT_ENGINE, make_task_runner
from reprise.flows.mirror import FlowReporter, FlowRunner
from reprise.flows.publication import open_publication
from reprise.flows.server.project import project_name
from reprise.flows.states import StateName
from reprise.runner.options import OnError, RunOptions, count_cores
from reprise.runner.plan import Step, plan_stages
from reprise.runner.states import StageState
from reprise.state.durations import Durations
from reprise.state.folders import StateFolders

CHANGED = {StageState.RAN, StageState.RESTORED}


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
    pipeline: bool = False,
    recursive: bool = False,
    glob: bool = False,
    force_downstream: bool = False,
    allow_missing: bool = False,
    ignore_errors: bool = False,
    commit: bool = True,
    run_cache: bool = True,
    publish: Literal["branch", "push", "none"] = "none",
    *,
    runner: str = DEFAULT_ENGINE,
    report: bool = False,
    **engine_options: Any,
) -> "State[Any]":
    """Bring the stages of the DVC repository at `path` up to date, as `reprise run` does.

    publish: push the data, and then dvc.lock and metrics, to a branch of its own or to the one that
    is checked out. runner: the engine that runs the commands. An engine's setting, such as
    `dask_address`, is a parameter of its own. report: make `reprise report HEAD` an artifact, which
    takes seconds.

    Raises StagesFailed when a stage failed: Prefect retries a flow that raises, but not one that
    returns a failed state.
    """
    options = RunOptions(
        jobs=jobs or count_cores(),
        force=force,
        force_downstream=force_downstream,
        allow_missing=allow_missing,
        on_error=_on_error(keep_going=keep_going, ignore_errors=ignore_errors),
        pull=pull,
        commit=commit,
        run_cache=run_cache,
        sandbox=sandbox,
    )
    selection = Selection(
        downstream=downstream,
        single_item=single_item,
        all_pipelines=all_pipelines,
        pipeline=pipeline,
        recursive=recursive,
        glob=glob,
    )
    engine = make_task_runner(runner, options.jobs, engine_options)
    logger = get_run_logger()
    with showing_warnings(logger.warning), contextlib.chdir(path), prefect_endings():
        publication = open_publication(publish, logger.info, commit=commit)
        with Repository() as repository:
            project = project_name(Path(repository.workspace.root))
            steps = _plan(repository, targets or [], selection, options)
            show_plan(project, steps, Durations(repository.temporary))
            create_limits(project, [step.stage for step in steps])
            stage_runner = _run(repository, project, steps, options, engine)
            states = set(stage_runner.states.values())
            if states & CHANGED:
                show_metrics(project)
                if report:
                    show_report(project)
            errors = {stage.name: error for stage, error in stage_runner.errors.items()}
        if publication is not None:
            changed = [s.name for s, state in stage_runner.states.items() if state in CHANGED]
            publication.finish(changed, failed=bool(errors))
    if errors and not ignore_errors:
        raise StagesFailed(errors)
    return Completed(name=_state_name(states).value)


def _on_error(*, keep_going: bool, ignore_errors: bool) -> OnError:
    """Make one option of two parameters, of which `ignore_errors` goes further."""
    if ignore_errors:
        return OnError.IGNORE
    if keep_going:
        return OnError.KEEP_GOING
    return OnError.FAIL


def _plan(
    repository: Repository, targets: Sequence[str], selection: Selection, options: RunOptions
) -> list[Step]:
    logger = get_run_logger()
    with repository.lock(lambda who: logger.info("waiting for %s to release DVC's lock", who)):
        stages = repository.collect_stages(targets, selection)
        return plan_stages(repository, stages, options)


def _run(
    repository: Repository,
    project: str,
    steps: Sequence[Step],
    options: RunOptions,
    engine: TaskRunner[Any],
) -> FlowRunner:
    """Run the steps. Returns the runner, which knows what became of each."""
    mailboxes = StateFolders(repository.temporary).mailboxes
    stages = [step.stage for step in steps]
    thread_runner: TaskRunner[Any] = ThreadPoolTaskRunner()
    with _one_server(), thread_runner as threads, engine:
        reporter = FlowReporter(project, steps, mailboxes, threads, engine)
        runner = FlowRunner(repository, stages, options, reporter, retries_keep_slots=True)
        try:
            runner.run()
        finally:
            reporter.finish()
    return runner


@contextlib.contextmanager
def _one_server() -> Iterator[None]:
    """Let worker processes use this flow's temporary server, since each would start its own.

    A server that is set is known to them.
    """
    if PREFECT_API_URL.value():
        yield
        return
    with get_client(sync_client=True) as client:
        url = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: url}):
        yield


def _state_name(states: Collection[StageState]) -> StateName:
    """Name the state of a flow run in which no stage failed."""
    if StageState.RAN in states:
        return StateName.COMPLETED
    if StageState.RESTORED in states:
        return StateName.RESTORED
    return StateName.UNCHANGED
