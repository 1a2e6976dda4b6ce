"""Brings stages up to date in parallel: each as soon as its upstream stages are, commands in sandboxes."""

import heapq
import os
import queue
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pipeline.command import GRACE, Command, Outcome, end_orphan
from pipeline.errors import PipelineError
from pipeline.failure import asked_for
from pipeline.journal import Entry, History, Journal, Key, is_of_another
from pipeline.repository import FAILURES, Repository, Stage, message
from pipeline.sandbox import Sandbox
from pipeline.undeclared import Undeclared

State = Literal["ran", "restored", "unchanged", "failed", "skipped"]
TICK = 0.1  # seconds between looks at logs and at stages that other processes hold


class Reporter(Protocol):
    """Who shows the progress of a run."""

    def started(self, stage: Stage) -> None: ...
    def output(self, stage: Stage, line: str) -> None: ...
    def again(self, stage: Stage, error: str) -> None: ...
    def ended(self, stage: Stage, state: State, seconds: float | None, error: str | None) -> None: ...
    def note(self, text: str) -> None: ...
    def tick(self) -> None: ...


@dataclass(frozen=True)
class Options:
    """What the command line of `reprise run` says."""

    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    force: bool = False
    keep_going: bool = False
    pull: bool = False
    sandbox: bool = True


@dataclass
class _Running:
    command: Command
    sandbox: Sandbox | None
    attempt: int
    read: int = 0  # bytes of the log that were shown


class Interrupted(BaseException):
    """SIGINT or SIGTERM. status: for exit, 128 + the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.status = 128 + number


class Runner:
    """One run over the steps of a plan. Everything but the commands happens in one thread, under DVC's lock."""

    def __init__(self, repository: Repository, stages: Sequence[Stage], options: Options, reporter: Reporter) -> None:
        """`stages`: in plan order, each with its upstream stages."""
        self.repository, self.stages, self.options, self.reporter = repository, list(stages), options, reporter
        self.states: dict[Stage, State] = {}
        self.errors: dict[Stage, str] = {}
        self.seconds: dict[Stage, float] = {}
        self._folder = repository.temporary
        self._journal = Journal(self._folder)
        self._place = {stage: i for i, stage in enumerate(self.stages)}
        self._waiting = {stage: len(stage.upstream) for stage in self.stages}
        self._downstream: dict[Stage, list[Stage]] = {stage: [] for stage in self.stages}
        for stage in self.stages:
            for upstream in stage.upstream:
                self._downstream[upstream].append(stage)
        self._ready = [i for i, stage in enumerate(self.stages) if not stage.upstream]  # a heap of places in the plan
        self._running: dict[Stage, _Running] = {}
        self._later: list[tuple[float, Stage, int]] = []  # retries: when, which, the how many-th attempt
        self._held: dict[Stage, str] = {}  # by whom, for stages that another process works on
        self._left_over: dict[Key, Entry] = {}  # what killed runs had finished
        self._changed: set[Stage] = set()  # whose entries dvc.lock does not have yet
        self._unignored: set[Stage] = set()  # whose outs' lines .gitignore does not have yet
        self._events: queue.SimpleQueue[tuple[Stage, Outcome] | None] = queue.SimpleQueue()
        self._cleaner = ThreadPoolExecutor(1)  # removes sandboxes meanwhile
        self._interrupt: int | None = None  # the signal that came

    def run(self) -> bool:
        """True when no stage failed. Finished stages stay finished, however it ends.

        Raises Interrupted on SIGINT and SIGTERM.
        """
        with self._signals(), self.repository.tracking():
            try:
                with self._lock():
                    self._clean_up_after_others()
                    self._left_over = self._journal.left_over()
                    self._journal.start()
                    self.repository.forget_all()  # what was edited since the plan
                    if self._journal.adopted:
                        self.repository.remove_debris(self.stages)
                    if self.options.pull:
                        self.repository.pull_runs()
                    self._start_ready()
                while self._running or self._ready or self._later or self._held:
                    self._wait()
            except Interrupted as e:
                self._end_commands(e.number)
                raise
            finally:
                self._interrupt = None
                with self._lock():
                    self.repository.release_all()
                    self._write()
                self._cleaner.shutdown()
        return not self.errors

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the run between two steps, never within one."""

        def interrupt(number: int, _: object) -> None:
            self._interrupt = number
            self._events.put(None)

        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _check_interrupt(self) -> None:
        if self._interrupt is not None:
            raise Interrupted(self._interrupt)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        def waiting(who: str) -> None:
            self._check_interrupt()
            self.reporter.note(f"waiting for {who} to release DVC's lock")

        with self.repository.lock(waiting):
            yield

    # The loop

    def _wait(self) -> None:
        """Until something ends, or for a tick."""
        events = []
        with suppress(queue.Empty):
            events.append(self._events.get(timeout=0 if self._ready else TICK))
            while True:
                events.append(self._events.get_nowait())
        self._check_interrupt()
        for stage in self._running:
            self._show_output(stage)
        self.reporter.tick()
        due = [stage for when, stage, _ in self._later if when <= time.monotonic()]
        if events or due or self._held or self._ready:
            with self._lock():
                for stage, outcome in filter(None, events):
                    self._finish(stage, outcome)
                    self._check_interrupt()
                self._start_ready()

    def _start_ready(self) -> None:
        now = time.monotonic()
        for when, stage, attempt in [*self._later]:
            if when <= now and self._has_room(stage):
                self._later.remove((when, stage, attempt))
                self._attempt(stage, self._launch, stage, attempt)
        for stage in [*self._held]:
            self._attempt(stage, self._start, stage)
        full: list[int] = []  # whose groups are
        while self._ready and self._has_room(None):
            place = heapq.heappop(self._ready)
            stage = self.stages[place]
            if self.errors and not self.options.keep_going:
                self._end(stage, "skipped")
            elif not self._has_room(stage):
                full.append(place)
            else:
                self._attempt(stage, self._start, stage)
                self._check_interrupt()
        for place in full:
            heapq.heappush(self._ready, place)

    def _attempt(self, stage: Stage, work: Callable[..., None], *args: Any) -> None:
        """What goes wrong with one stage fails that stage."""
        try:
            work(*args)
        except (PipelineError, *FAILURES) as e:
            self._fail(stage, message(e))

    def _has_room(self, stage: Stage | None) -> bool:
        if len(self._running) >= self.options.jobs:
            return False
        group = stage.settings.group if stage is not None else None
        if stage is None or group is None:
            return True
        others = [s.settings.limit for s in self._running if s.settings.group == group]
        return len(others) < min([stage.settings.limit, *others])

    # One stage

    def _start(self, stage: Stage) -> None:
        self._ignore_inside(stage)
        if self._is_unchanged(stage):
            self._held.pop(stage, None)
            self._end(stage, "unchanged")
            return
        holder = self.repository.claim(stage)
        if holder is not None:
            if stage not in self._held:
                self.reporter.note(f"{stage}: waiting for {holder}")
            self._held[stage] = holder
            return
        if self._held.pop(stage, None) is not None:
            stage.reload()
            self._left_over |= self._journal.others()
            if self._is_unchanged(stage):
                self._end(stage, "unchanged")
                return
        if not stage.has_command:
            stage.settle()
            self._done(stage, "ran")
            return
        if self.options.pull:
            stage.pull_inputs()
        stage.check_inputs()
        cached = None if self.options.force else stage.cached(pull=self.options.pull)
        if cached is not None:
            stage.restore(cached)
            self._done(stage, "restored")
        else:
            self._launch(stage, 1)

    def _is_unchanged(self, stage: Stage) -> bool:
        """By dvc.lock, or by the journal of a run that was killed before it wrote dvc.lock."""
        if self.options.force and stage.has_command:
            return False
        changes = stage.changes()
        if changes and stage.adopt_if_current(self._left_over.get(stage.key)):
            changes = []
        if stage.adopted:
            self._changed.add(stage)
            self._unignored.add(stage)
        if changes and self.options.pull and stage.pull_outputs(changes):
            return True
        return not changes

    def _launch(self, stage: Stage, attempt: int) -> None:
        sandbox = None
        name = f"{os.getpid()}-{self._place[stage]}-{attempt}"
        if self.options.sandbox and stage.settings.sandbox:
            sandbox = Sandbox(stage, self._folder / "sandbox" / name)
        else:
            stage.clear()
        command = Command(
            [(text, stage.argv(text)) for text in stage.commands],
            sandbox,
            stage.wdir,
            stage.environment,
            stage.settings.timeout,
            self._folder / "logs" / f"{stage.slug}.log",
            self._folder / "groups" / name,
            lambda outcome: self._events.put((stage, outcome)),
        )
        self._running[stage] = _Running(command, sandbox, attempt)
        self.reporter.started(stage)
        self.begin(stage, command)

    def begin(self, stage: Stage, command: Command) -> None:
        """Starts the command; a flow does so from the stage's task run, once Prefect lets it."""
        command.start()

    def _finish(self, stage: Stage, outcome: Outcome) -> None:
        running = self._running[stage]
        self._show_output(stage, whole=True)
        del self._running[stage]
        self.seconds[stage] = outcome.seconds
        try:
            self._attempt(stage, self._conclude, stage, running, outcome)
        finally:
            if running.sandbox is not None:
                self._cleaner.submit(running.sandbox.remove)

    def _conclude(self, stage: Stage, running: _Running, outcome: Outcome) -> None:
        sandbox, error = running.sandbox, outcome.error
        if error is not None and running.attempt <= stage.settings.retries:
            pause = stage.settings.retry_delay * 2 ** (running.attempt - 1)
            again = f"attempt {running.attempt + 1} of {stage.settings.retries + 1} in {pause:g} s"
            self.reporter.again(stage, f"{error}; {again}")
            self._later.append((time.monotonic() + pause, stage, running.attempt + 1))
            return
        missing: list[str] = []
        undeclared: list[Undeclared] = []
        if sandbox is not None:
            missing = sandbox.missing_outs() if error is None else []
            undeclared = asked_for(sandbox, running.command.tail()) if error is not None else []
            writes = sandbox.undeclared_writes() if error is None else []
            if writes:
                listed = ", ".join(writes[:5]) + (f" and {len(writes) - 5} more" if len(writes) > 5 else "")
                self.reporter.note(f"{stage}: left {listed}, which no out names: not kept")
            sandbox.bring_back()
        for out in stage.outputs:
            self.repository.forget(out)
        if sandbox is None:
            self.repository.forget_all()  # the command may have written anywhere
        if error is None and missing:
            error = f"the command wrote no {', '.join(missing)}"
        if error is not None:
            raise PipelineError("; ".join([error, *(u.said(stage) for u in undeclared)]))
        stage.save()
        self._done(stage, "ran")

    def _done(self, stage: Stage, state: State) -> None:
        """After the stage's outs are in the workspace and in the cache."""
        if stage.has_entry:
            self._journal.add(stage.key, stage.entry())
            self._changed.add(stage)
        self._unignored.add(stage)
        self._end(stage, state)

    def _fail(self, stage: Stage, error: str) -> None:
        self.errors[stage] = error
        self._held.pop(stage, None)
        self._end(stage, "failed")
        below = [stage]
        while below:
            for s in self._downstream[below.pop()]:
                if s not in self.states:
                    self._end(s, "skipped")
                    below.append(s)

    def _end(self, stage: Stage, state: State) -> None:
        self.repository.release(stage)
        self.states[stage] = state
        self.reporter.ended(stage, state, self.seconds.get(stage), self.errors.get(stage))
        if state in ("failed", "skipped"):
            return
        for below in self._downstream[stage]:
            self._waiting[below] -= 1
            if self._waiting[below] == 0 and below not in self.states:
                heapq.heappush(self._ready, self._place[below])

    # .gitignore and dvc.lock, in plan order

    def _ignore_inside(self, stage: Stage) -> None:
        """Before a folder dep is hashed: the .gitignore files in it count, and all who write there are done."""
        folders = [f"{p}{os.sep}" for p in stage.dep_paths if os.path.isdir(p)]
        if folders and self._unignored:
            inside = [s for s in self._unignored if any(str(o).startswith(tuple(folders)) for o in s.outputs)]
            self._ignore(inside)

    def _ignore(self, stages: Sequence[Stage]) -> None:
        for stage in sorted(stages, key=self._place.__getitem__):
            stage.ignore()
            self._unignored.discard(stage)

    def _write(self) -> None:
        self._ignore([*self._unignored])  # first: who is killed now finds the rest in the journal
        self.repository.write_locks(sorted(self._changed, key=self._place.__getitem__))
        decided = {s.key for s, state in self.states.items() if state not in ("failed", "skipped")}
        self._journal.clear({key: entry for key, entry in self._left_over.items() if key not in decided})
        ran = [(s.name, self.seconds[s]) for s, state in self.states.items() if state == "ran" and s in self.seconds]
        if ran:
            History(self._folder).add(ran)

    # Commands

    def _show_output(self, stage: Stage, *, whole: bool = False) -> None:
        """New lines of the stage's log; `whole`: also a last one without a line end."""
        running = self._running[stage]
        if not running.command.log.exists():
            return
        with running.command.log.open("rb") as log:
            log.seek(running.read)
            new = log.read()
        if not whole:
            new = new[: new.rfind(b"\n") + 1]
        running.read += len(new)
        for line in new.decode("utf-8", "replace").splitlines():
            self.reporter.output(stage, line)

    def _end_commands(self, number: int) -> None:
        for running in self._running.values():
            running.command.ask_to_end(number)
        deadline = time.monotonic() + GRACE
        for running in self._running.values():
            running.command.make_end(deadline - time.monotonic())
            if running.sandbox is not None:
                running.sandbox.remove()

    def _clean_up_after_others(self) -> None:
        """Commands and sandboxes of runs that were killed."""
        for note in (self._folder / "groups").glob("*"):
            if not is_of_another(int(note.name.split("-")[0])):
                end_orphan(note)
        for sandbox in (self._folder / "sandbox").glob("*"):
            if not is_of_another(int(sandbox.name.split("-")[0])):
                shutil.rmtree(sandbox, ignore_errors=True)
