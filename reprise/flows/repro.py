"""Define the flow `repro`: a run of the runner, in which a task run mirrors each stage."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from reprise.dvc import Repository, Selection, showing_warnings
from reprise.errors import PipelineError, StagesFailed
from reprise.flows.artifacts import show_plan, show_results
from reprise.flows.concurrency import create_limits
from reprise.flows.endings import fail, fails_by_message, prefect_endings
from reprise.flows.engine_parameters import with_engine_parameters
from reprise.flows.engines import DEFAULT_ENGINE, make_task_runner
from reprise.flows.mirror import FlowReporter, FlowRunner
from reprise.flows.names import name_repro
from reprise.flows.publication import open_publication
from reprise.flows.server.project import project_name
from reprise.flows.states import StateName
from reprise.runner.options import OnError, RunOptions, count_cores
from reprise.runner.plan import Step, plan_stages
from reprise.runner.states import StageState
from reprise.shorten import count_each
from reprise.state.durations import Durations
from reprise.state.folders import StateFolders

CHANGED = {StageState.RAN, StageState.RESTORED}


@flow(name="repro", flow_run_name=name_repro)
@fails_by_message
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
    """Bring the stages of a DVC repository up to date, as `reprise run` does.

    Ends Completed, Restored, Unchanged or Failed. Raises StagesFailed when a stage failed.

    Args:
        targets: Stages, outputs, dvc.yaml or .dvc files (default: all of dvc.yaml).
        path: The repository's folder, or one in it.
        jobs: At most so many stages at a time (default: as many as the machine has cores).
        force: Run stages even if nothing changed.
        keep_going: After a failure, go on with what does not depend on it.
        pull: Get missing data and runs from the DVC remote.
        sandbox: Run each command in a sandbox, and not in the workspace itself.
        downstream: The targets and what depends on them.
        single_item: Only the targets, without what they depend on.
        all_pipelines: Every dvc.yaml of the repository.
        pipeline: All that the targets depend on or that depends on them.
        recursive: Targets are folders, with all stages in them.
        glob: Targets are patterns of stage names, as `train*`.
        force_downstream: Run what depends on a stage that ran, even if nothing else changed.
        allow_missing: Stages of which only data are missing count as unchanged.
        ignore_errors: After a failure, go on with everything, and end without one.
        commit: Put outputs and runs into DVC's cache.
        run_cache: Restore outputs that the run-cache has, in place of running.
        publish: Where results go: to a branch of their own, to the one checked out, nowhere.
        runner: The engine that runs the commands.
        report: Show `reprise report HEAD` as an artifact, which takes seconds.
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
    if not Path(path).is_dir():
        raise PipelineError(f"path: found no folder {path}; expected one in a DVC repository")
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
                show_results(project, report=report)
            errors = {}
            for stage, error in stage_runner.errors.items():
                errors[stage.name] = error
        if publication is not None:
            changed = []
            for s, state in stage_runner.states.items():
                if state in CHANGED:
                    changed.append(s.name)
            publication.finish(changed, failed=bool(errors) and not ignore_errors)
    if errors and not ignore_errors:
        return fail(StagesFailed(errors), _describe_failures(stage_runner.reporter.failures))
    return Completed(
        name=_state_name(states).value, message=count_each(stage_runner.states.values())
    )


def _describe_failures(failures: Mapping[str, str]) -> str:
    """Say why stages failed, by their names, which commands may have said themselves."""
    lines = []
    for stage, why in failures.items():
        begin = f"{stage}: "
        lines.append(begin + why.removeprefix(begin))
    return "; ".join(lines)


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
    folders = StateFolders(repository.temporary)
    stages = [step.stage for step in steps]
    thread_runner: TaskRunner[Any] = ThreadPoolTaskRunner()
    # A flow run's tags are none of its task runs': Prefect would ask for each whether they may run.
    with TagsContext(current_tags=set()), _one_server(), thread_runner as threads, engine:
        reporter = FlowReporter(project, steps, folders, threads, engine)
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
