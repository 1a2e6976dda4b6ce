"""The `repro` flow of Prefect: the runner's own run, each stage of it followed by a task run."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeAlias

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State as PrefectState
from prefect.concurrency.sync import concurrency
from prefect.exceptions import TerminationSignal
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Completed, Failed

from pipeline.command import Command
from pipeline.errors import PipelineError
from pipeline.interrupt import Interrupted
from pipeline.journal import History, Journal
from pipeline.plan import Step, make_plan
from pipeline.reporter import plan_lines
from pipeline.repository import FAILURES, Repository, Stage, message
from pipeline.run import Options, Runner, State

FEW = 20  # unchanged stages up to which each has a task run; more of them stand in the plan alone
DELAYS = 50  # that Prefect takes; retries beyond wait as long as the last
SLOT_WAIT = 10.0  # seconds between looks at whether the run was ended meanwhile

Ending: TypeAlias = "PrefectState[Any]"
Future: TypeAlias = "PrefectFuture[Ending]"


class Again(Exception):  # noqa: N818
    """An attempt failed that the runner will repeat."""


class Inbox:
    """What the runner's thread tells the task run of a stage: the command to start, its lines, how it ended."""

    def __init__(self, group: str | None) -> None:
        """`group`: the name of a global concurrency limit that each command takes a slot of."""
        self.group = group
        self.events: SimpleQueue[Command | str | Exception | Callable[[], Ending]] = SimpleQueue()
        self.interrupted = threading.Event()


def _is_again(_task: Any, _run: Any, state: Ending) -> bool:
    return state.message is not None and Again.__name__ in state.message


@task(cache_policy=NO_CACHE, retry_condition_fn=_is_again)
def follow(inbox: Inbox) -> Ending:
    """Starts the stage's command when Prefect lets it, logs its lines, ends as it ended."""
    logger = get_run_logger()
    with contextlib.ExitStack() as slot:
        while True:
            event = inbox.events.get()
            if isinstance(event, Command):
                _take_slot(slot, inbox)
                event.start()
            elif isinstance(event, str):
                logger.info("%s", event)
            elif isinstance(event, Exception):
                raise event
            else:
                return event()  # made now: the server drops a state that is older than Running


def _take_slot(stack: contextlib.ExitStack, inbox: Inbox) -> None:
    while inbox.group is not None and not inbox.interrupted.is_set():
        with contextlib.suppress(TimeoutError):
            stack.enter_context(concurrency(inbox.group, timeout_seconds=SLOT_WAIT, strict=True))
            return


class FlowRunner(Runner):
    """The runner, whose commands are started by task runs."""

    reporter: "FlowReporter"

    def begin(self, stage: Stage, command: Command) -> None:
        self.reporter.inboxes[stage].events.put(command)


class FlowReporter:
    """Makes a task run of each stage that starts, is restored or fails, and tells it what happens."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.inboxes: dict[Stage, Inbox] = {}
        self.futures: dict[Stage, Future] = {}
        self._logger = get_run_logger()
        self._shows_unchanged = sum(s.kind == "unchanged" for s in steps) <= FEW

    def started(self, stage: Stage) -> None:
        if stage in self.inboxes:  # a further attempt, in the same task run
            return
        settings = stage.settings
        self.inboxes[stage] = Inbox(f"reprise-{settings.group}" if settings.group else None)
        delays = [settings.retry_delay * 2**i for i in range(min(settings.retries, DELAYS))]
        named = follow.with_options(task_run_name=stage.name, retries=settings.retries, retry_delay_seconds=delays or 0)
        above = [self.futures[s] for s in stage.upstream if s in self.futures]
        self.futures[stage] = named.submit(self.inboxes[stage], return_state=False, wait_for=above)

    def output(self, stage: Stage, line: str) -> None:
        self.inboxes[stage].events.put(line)

    def again(self, stage: Stage, error: str) -> None:
        self.inboxes[stage].events.put(Again(error))

    def ended(self, stage: Stage, state: State, seconds: float | None, error: str | None) -> None:
        if state == "skipped" or (state == "unchanged" and not self._shows_unchanged):
            return
        self.started(stage)
        self.inboxes[stage].events.put(partial(_ending, state, error))

    def note(self, text: str) -> None:
        self._logger.info("%s", text)

    def tick(self) -> None:
        pass

    def finish(self) -> None:
        """Ends the task runs of stages that did not end, and waits for all."""
        for inbox in self.inboxes.values():
            inbox.interrupted.set()
            inbox.events.put(partial(Cancelled, message="interrupted"))
        for future in self.futures.values():
            future.wait()


def _ending(state: State, error: str | None) -> Ending:
    if state == "failed":
        return Failed(message=error, name="TimedOut" if (error or "").startswith("timed out") else "Failed")
    names: dict[State, str] = {"unchanged": "Unchanged", "restored": "Restored"}
    return Completed(name=names.get(state, "Completed"))


@flow(name="repro", flow_run_name=None)
def repro(
    targets: list[str] | None = None,
    path: str = ".",
    jobs: int | None = None,
    force: bool = False,
    keep_going: bool = False,
    pull: bool = False,
    sandbox: bool = True,
    downstream: bool = False,
    single_item: bool = False,
    all_pipelines: bool = False,
) -> Ending:
    """Brings the stages of the DVC repository at `path` up to date, as `reprise run` does.

    PipelineError when a stage failed: Prefect retries a flow that raises, not one that returns a failed state.
    """
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # its errors come as exceptions too
    options = Options(jobs or os.cpu_count() or 1, force, keep_going, pull, sandbox)
    which = {"downstream": downstream, "single_item": single_item, "everything": all_pipelines}
    with contextlib.chdir(path):
        try:
            return _run(targets or [], which, options)
        except Interrupted as e:
            if e.number == signal.SIGTERM:  # so Prefect sends it, to cancel
                raise TerminationSignal(signal=e.number) from None
            raise
        except FAILURES as e:
            raise PipelineError(" ".join(message(e).split())) from None


def _run(targets: Sequence[str], which: Mapping[str, bool], options: Options) -> Ending:
    repository = Repository()
    logger = get_run_logger()
    with repository.lock(lambda who: logger.info("waiting for %s to release DVC's lock", who)):
        stages = repository.steps(targets, **which)
        steps = make_plan(stages, Journal(repository.temporary).left_over(), force=options.force)
    _show_plan(steps, History(repository.temporary))
    _make_limits(stages)
    reporter = FlowReporter(steps)
    runner = FlowRunner(repository, stages, options, reporter)
    try:
        runner.run()
    finally:
        reporter.finish()
    if any(state in ("ran", "restored") for state in runner.states.values()):
        _show_metrics(repository)
    if runner.errors:
        raise PipelineError("; ".join(f"{stage.name}: {error}" for stage, error in runner.errors.items()))
    unchanged = all(state == "unchanged" for state in runner.states.values())
    return Completed(name="Unchanged" if unchanged else "Completed")


def _make_limits(stages: Sequence[Stage]) -> None:
    """A global concurrency limit a group: it holds between flow runs too, which a run's own count cannot."""
    groups: dict[str, int] = {}
    for settings in (s.settings for s in stages):
        if settings.group is not None:
            groups[settings.group] = min(settings.limit, groups.get(settings.group, settings.limit))
    if groups:
        with get_client(sync_client=True) as client:
            for group, limit in groups.items():
                client.upsert_global_concurrency_limit_by_name(f"reprise-{group}", limit)


def _show_plan(steps: Sequence[Step], history: History) -> None:
    lines = "\n".join(line for _, line in plan_lines(steps, history))
    create_markdown_artifact(key="plan", description="The plan", markdown=f"```\n{lines}\n```")


def _show_metrics(repository: Repository) -> None:
    rows = [f"| {file} | {name} | {old} | {new} |" for file, name, old, new in repository.metrics()]
    if rows:
        table = "\n".join(["| file | metric | HEAD | now |", "|---|---|---|---|", *rows])
        create_markdown_artifact(key="metrics", description="Metrics and their change", markdown=table)
