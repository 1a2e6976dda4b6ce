"""Brings stages up to date in parallel: each as soon as its upstream stages are, commands in sandboxes."""

import itertools
import os
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from reprise.dvc import DVC_ERRORS, Repository, Stage, describe_error
from reprise.errors import PipelineError
from reprise.process.job import JobResult
from reprise.process.signals import Interrupted, PendingSignal, handling_signals
from reprise.runner.attempt import Attempt, end_all
from reprise.runner.options import RunOptions
from reprise.runner.recorder import Recorder
from reprise.runner.reporter import Reporter
from reprise.runner.scheduler import Scheduler
from reprise.runner.states import StageState
from reprise.sandbox.worker import Worker
from reprise.state.folders import StateFolders

TICK = 0.1  # seconds between looks at logs and at stages that other processes hold
LISTED = 5  # files that a stage left beside its outs, of which a note says the names


class Runner:
    """One run over the steps of a plan. Everything but the commands happens in one thread, under DVC's lock."""

    def __init__(
        self,
        repository: Repository,
        stages: Sequence[Stage],
        options: RunOptions,
        reporter: Reporter,
        *,
        retries_keep_slots: bool = False,
    ) -> None:
        """`stages`: in plan order, each with its upstream stages; `retries_keep_slots`: as in Scheduler."""
        self.repository, self.options, self.reporter = repository, options, reporter
        self._folders = StateFolders(repository.temporary)
        self.states: dict[Stage, StageState] = {}
        self.errors: dict[Stage, str] = {}
        self.seconds: dict[Stage, float] = {}
        self._schedule = Scheduler(stages, options.jobs, retries_keep_slots=retries_keep_slots)
        self._records = Recorder(repository, self._schedule.place)
        self._running: dict[Stage, Attempt] = {}
        self._held: dict[Stage, str] = {}  # by whom, for stages that another process works on
        self._events: queue.SimpleQueue[tuple[Stage, JobResult] | None] = queue.SimpleQueue()
        self._ended: list[tuple[Stage, JobResult]] = []  # of them, those that are to be finished
        self._interrupts = PendingSignal(lambda: self._events.put(None))
        self._cleaner = ThreadPoolExecutor(1)  # removes sandboxes meanwhile

    def run(self) -> bool:
        """True when no stage failed. Finished stages stay finished, however it ends.

        Raises Interrupted on SIGINT and SIGTERM.
        """
        with handling_signals(self._interrupts.note), self.repository.tracking():
            try:
                with self._lock():
                    self._open()
                    self._start_ready()
                while self._running or self._schedule or self._held:
                    self._wait()
            except BaseException as e:
                self._interrupts.forget()
                self._end_commands(e.number if isinstance(e, Interrupted) else signal.SIGTERM)
                raise
            finally:
                self._interrupts.forget()
                with self._lock():
                    self._close()
                self._cleaner.shutdown()
        return not self.errors

    def _end_commands(self, number: int) -> None:
        """But keeps those that have just ended well."""
        self._take_events(0)
        done = [(stage, outcome) for stage, outcome in self._ended if outcome.error is None]
        end_all(
            [running for stage, running in self._running.items() if stage not in dict(done)], number
        )
        if done:
            with self._lock():
                for stage, outcome in done:
                    self._finish(stage, outcome)

    def _open(self) -> None:
        self._folders.clean_up_after_killed()
        self.repository.forget_all()  # what was edited since the plan
        self._records.open()
        if self.options.pull:
            self.repository.pull_runs()

    def _close(self) -> None:
        self.repository.release_all()
        decided = [s for s, state in self.states.items() if state.is_up_to_date]
        ran = {
            s: self.seconds[s]
            for s in decided
            if self.states[s] == StageState.RAN and s in self.seconds
        }
        self._records.write(decided, ran)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        def waiting(who: str) -> None:
            self._interrupts.check()
            self.reporter.note(f"waiting for {who} to release DVC's lock")

        with self.repository.lock(waiting):
            yield

    # The loop

    def _wait(self) -> None:
        """Until something ends, or for a tick."""
        self._take_events(TICK)
        self._interrupts.check()
        for running in self._running.values():
            self.show_output(running)
        self.reporter.tick()
        if self._ended or self._held or self._schedule.is_due:
            with self._lock():
                while self._ended:
                    self._finish(*self._ended.pop(0))
                    self._interrupts.check()
                self._start_ready()

    def _take_events(self, patience: float) -> None:
        """Those that came; waits for the first so many seconds."""
        with suppress(queue.Empty):
            event = self._events.get(timeout=patience)
            while True:
                self._ended += [event] if event is not None else []
                event = self._events.get_nowait()

    def show_output(self, attempt: Attempt, *, whole: bool = False) -> None:
        """New lines of the command; in a flow its task run shows them."""
        for line in attempt.log.new_lines(whole=whole):
            self.reporter.output(attempt.stage, line)

    def _start_ready(self) -> None:
        for stage, attempt in self._schedule.due(self._running):
            self._attempt(stage, self._launch, stage, attempt)
        held = (stage for stage in [*self._held] if self._schedule.has_room(stage, self._running))
        for stage in itertools.chain(held, self._schedule.ready(self._running)):
            if self.errors and not self.options.keep_going:
                self._held.pop(stage, None)
                self._end(stage, StageState.SKIPPED)
            else:
                self._attempt(stage, self._start, stage)
                self._interrupts.check()

    def _attempt(self, stage: Stage, work: Callable[..., None], *args: Any) -> None:
        """What goes wrong with one stage fails that stage."""
        try:
            work(*args)
        except (PipelineError, *DVC_ERRORS) as e:
            self._fail(stage, describe_error(e))

    # One stage

    def _start(self, stage: Stage) -> None:
        self._records.ignore_inside(stage)
        if self._is_unchanged(stage):
            self._held.pop(stage, None)
            self._end(stage, StageState.UNCHANGED)
            return
        holder = self.repository.claim(stage)
        if holder is not None:
            if stage not in self._held:
                self.reporter.note(f"{stage}: waiting for {holder}")
            self._held[stage] = holder
            return
        if self._held.pop(stage, None) is not None:
            self._records.reopen(stage)
            if self._is_unchanged(stage):
                self._end(stage, StageState.UNCHANGED)
                return
        self._bring_up_to_date(stage)

    def _is_unchanged(self, stage: Stage) -> bool:
        """By dvc.lock, or by the journal of a run that was killed before it wrote dvc.lock."""
        if self.options.force and stage.has_command:
            return False
        changes = stage.changes()
        if self._records.adopt(stage, changes):
            return True
        return not changes or (self.options.pull and stage.pull_outputs(changes))

    def _bring_up_to_date(self, stage: Stage) -> None:
        if not stage.has_command:
            stage.settle()
            self._done(stage, StageState.RAN)
            return
        if self.options.pull:
            stage.pull_inputs()
        stage.check_inputs()
        cached = None if self.options.force else stage.find_run(pull=self.options.pull)
        if cached is not None:
            stage.restore(cached)
            self._done(stage, StageState.RESTORED)
        else:
            self._launch(stage, 1)

    def _launch(self, stage: Stage, attempt: int) -> None:
        running = Attempt(
            stage,
            attempt,
            self._folders,
            f"{os.getpid()}-{self._schedule.place[stage]}-{attempt}",
            sandboxed=self.options.sandbox and stage.settings.sandbox,
            ended=lambda outcome: self._events.put((stage, outcome)),
        )
        self.reporter.started(stage)
        self.start_worker(stage, running.worker)  # fails where a cluster is gone
        self._running[stage] = running

    def start_worker(self, stage: Stage, worker: Worker) -> None:
        """Starts the command; a flow does so from the stage's task run, once Prefect lets it."""
        worker.start()

    def _finish(self, stage: Stage, outcome: JobResult) -> None:
        running = self._running[stage]
        self.show_output(running, whole=True)
        del self._running[stage]
        self.seconds[stage] = outcome.seconds
        try:
            self._attempt(stage, self._conclude, stage, running, outcome)
        finally:
            self._cleaner.submit(running.remove)

    def _conclude(self, stage: Stage, running: Attempt, outcome: JobResult) -> None:
        settings = stage.settings
        if outcome.error is not None and running.number <= settings.retries:
            pause = settings.retry_delay * 2 ** (running.number - 1)
            again = f"attempt {running.number + 1} of {settings.retries + 1} in {pause:g} s"
            self.reporter.retrying(stage, f"{outcome.error}; {again}")
            self._schedule.retry(stage, running.number + 1, pause)
            return
        error, writes = running.bring_back(outcome.error)
        if writes:
            listed = ", ".join(writes[:LISTED]) + (
                f" and {len(writes) - LISTED} more" if writes[LISTED:] else ""
            )
            self.reporter.note(f"{stage}: left {listed}, which no out names: not kept")
        for out in stage.outputs:
            self.repository.forget(out)
        if running.sandbox is None:
            self.repository.forget_all()  # the command may have written anywhere
        if error is not None:
            raise PipelineError(error)
        stage.save()
        self._done(stage, StageState.RAN)

    def _done(self, stage: Stage, state: StageState) -> None:
        """After the stage's outs are in the workspace and in the cache."""
        self._records.add(stage)
        self._end(stage, state)

    def _fail(self, stage: Stage, error: str) -> None:
        self.errors[stage] = error
        self._held.pop(stage, None)
        self._end(stage, StageState.FAILED)
        for below in self._schedule.below(stage):
            if below not in self.states:
                self._end(below, StageState.SKIPPED)

    def _end(self, stage: Stage, state: StageState) -> None:
        self.repository.release(stage)
        self.states[stage] = state
        self.reporter.ended(stage, state, self.seconds.get(stage), self.errors.get(stage))
        if state.is_up_to_date:
            self._schedule.done(stage)
