"""Bring stages up to date in parallel: each as soon as its upstream stages are, in a sandbox."""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from reprise.dvc import Repository, Stage, dvc_boundary
from reprise.dvc.inputs import signature
from reprise.errors import PipelineError
from reprise.process.job import JobResult
from reprise.process.signals import Interrupted, PendingSignal, handling_signals, interruptible
from reprise.runner.attempt import Attempt, end_all
from reprise.runner.ended_jobs import EndedJobs
from reprise.runner.options import OnError, RunOptions
from reprise.runner.recorder import Recorder
from reprise.runner.reporter import Reporter
from reprise.runner.scheduler import Scheduler
from reprise.runner.states import StageState
from reprise.runner.updater import Updater
from reprise.sandbox.choice import overlay_obstacle
from reprise.sandbox.worker import Worker
from reprise.sandbox.writes import Writes
from reprise.shorten import shorten
from reprise.state.folders import StateFolders
from reprise.state.left_files import LeftFiles

TICK = 0.1  # seconds between looks at logs and at stages that other processes hold
SETTLING = signature.TICK  # seconds; who hashed new outs earlier would have to wait for that
WRITES_SHOWN = 5  # files that a stage left beside its outs, in a note


class Runner:
    """Runs the stages of a plan once. Only commands run in other threads than the caller's.

    What it does to the repository, it does under DVC's lock.
    """

    def __init__(
        self,
        repository: Repository,
        stages: Sequence[Stage],
        options: RunOptions,
        reporter: Reporter,
        *,
        retries_keep_slots: bool = False,
    ) -> None:
        """Prepare the run; nothing is started yet.

        stages: in plan order, each with its upstream stages. retries_keep_slots: as in Scheduler.
        """
        self.repository = repository
        self.options = options
        self.reporter = reporter
        self.states: dict[Stage, StageState] = {}
        self.errors: dict[Stage, str] = {}
        self.seconds: dict[Stage, float] = {}  # of the last attempt's commands
        self._folders = StateFolders(repository.temporary)
        self._scheduler = Scheduler(stages, options.jobs, retries_keep_slots=retries_keep_slots)
        self._recorder = Recorder(repository, self._scheduler.position)
        self._updater = Updater(options, self._recorder, self.states)
        self._running: dict[Stage, Attempt] = {}
        self._holders: dict[Stage, str] = {}  # of stages that another process works on
        self._obstacle_noted = False
        self._left = LeftFiles(self._folders.left_files)
        self._ended_jobs = EndedJobs()
        self._signal = PendingSignal(self._ended_jobs.wake)
        self._cleaner = ThreadPoolExecutor(1)  # removes sandboxes meanwhile

    # The run

    def run(self) -> bool:
        """Run all stages; tell whether none failed. Finished stages stay finished, however it ends.

        Raises Interrupted on SIGINT, SIGTERM and SIGHUP.
        """
        with handling_signals(self._signal.note), self.repository.tracking():
            try:
                with self._lock():
                    self._open()
                    self._start_ready()
                while self._running or self._holders or not self._scheduler.is_empty():
                    self._step()
            except Interrupted as e:
                self._end_commands(e.number)
                raise
            except BaseException:
                self._end_commands(signal.SIGTERM)
                raise
            finally:
                self._signal.forget()
                with self._lock():
                    self._close()
                self._cleaner.shutdown()
        return not self.errors

    def _open(self) -> None:
        self._folders.clean_up_after_killed()
        self._folders.remove_old_checkpoints()
        self.repository.drop_dead_claims()
        self.repository.forget_all()  # files may have been edited since the plan
        self._recorder.open()
        if self.options.pull and self.options.run_cache:
            problem = self.repository.run_cache_problem
            if problem is not None:
                self.reporter.note(f"no runs are pulled: {problem}")

    def _step(self) -> None:
        """Wait a tick at most for a job to end; finish its stage and start those that are ready."""
        self._ended_jobs.collect(self._scheduler.patience(TICK))
        self._signal.check()
        for attempt in self._running.values():
            self.show_output(attempt)
        self.reporter.tick()
        has_ready = self._scheduler.take_settled() or self._scheduler.has_due_retry()
        if self._ended_jobs.collected or self._holders or has_ready:
            with self._lock():
                while self._ended_jobs.collected:
                    self._finish(*self._ended_jobs.collected.popleft())
                    self._signal.check()
                self._start_ready()

    def _end_commands(self, number: int) -> None:
        """End all commands by the signal, and finish the stages whose job has just succeeded."""
        self._signal.forget()
        self._ended_jobs.collect(0)
        ended = self._ended_jobs.collected
        succeeded = {stage: result for stage, result in ended if result.error is None}
        others = [attempt for stage, attempt in self._running.items() if stage not in succeeded]
        end_all(others, number)
        if succeeded:
            with self._lock():
                for stage, result in succeeded.items():
                    self._finish(stage, result)

    def _close(self) -> None:
        """Release the claims, and write the locks and what is known of each stage's time."""
        self.repository.release_all()
        up_to_date = []
        unfinished = []
        seconds = {}
        for stage in self._scheduler.position:
            state = self.states.get(stage)
            if state is not None and state.is_up_to_date:
                up_to_date.append(stage)
                if stage in self.seconds:
                    seconds[stage] = self.seconds[stage]
            elif state is None or self.options.on_error is OnError.FAIL:
                unfinished.append(stage)
        self._recorder.write(up_to_date, unfinished, seconds)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold DVC's lock. Raises Interrupted when a signal comes while another process has it."""

        def wait_for(holder: str) -> None:
            self._signal.check()
            self.reporter.note(f"waiting for {holder} to release DVC's lock")

        with self.repository.lock(wait_for):
            yield

    # Starting stages

    def _start_ready(self) -> None:
        for stage, number in self._scheduler.due_retries(self._running):
            with self._failing(stage):
                stage.refresh_folders()
                self._launch(stage, number)
        for stage in list(self._holders):
            if self._scheduler.has_room(stage, self._running):
                self._start_or_skip(stage)
        for stage in self._scheduler.ready(self._running):
            self._start_or_skip(stage)

    def _start_or_skip(self, stage: Stage) -> None:
        if self._is_skipped(stage):
            self._end(stage, StageState.SKIPPED)
            return
        with self._failing(stage):
            self._start(stage)
        self._signal.check()

    def _is_skipped(self, stage: Stage) -> bool:
        """Tell whether it does not run because of a failure: of any stage, or of one upstream."""
        if self.options.on_error is OnError.FAIL:
            return bool(self.errors)
        if self.options.on_error is OnError.IGNORE:
            return False
        return not all(self.states[upstream].is_up_to_date for upstream in stage.upstream)

    @contextmanager
    def _failing(self, stage: Stage) -> Iterator[None]:
        """Fail the stage for what goes wrong with it, so that the others go on."""
        try:
            with dvc_boundary():
                yield
        except PipelineError as e:
            self._fail(stage, str(e))

    def _start(self, stage: Stage) -> None:
        """Bring the stage up to date, or wait for the process that is at work on it."""
        claim = self._claim_changed
        if stage in self._holders:
            claim = self._take_over
        if not claim(stage):
            return
        self._confirm(stage)
        state = self._updater.update(stage)
        if state is None:
            self._launch(stage, 1)
        else:
            self._record(stage, state)

    def _claim_changed(self, stage: Stage) -> bool:
        """Claim the stage if it changed; tell whether it did, and no other process has it."""
        self._recorder.ignore_in_deps(stage)
        stage.refresh_folders()
        if stage.ignores_deps:
            self.reporter.note(f"{stage}: it is frozen; its dependencies are not looked at")
        if self._end_unchanged(stage):
            return False
        holder = self.repository.claim(stage)
        if holder is None:
            return True
        self.reporter.note(f"{stage}: waiting for {holder}")
        self._holders[stage] = holder
        return False

    def _take_over(self, stage: Stage) -> bool:
        """Claim a stage that another process had; tell whether it is ours, and still changed.

        Nothing is hashed as long as that process may write to it.
        """
        holder = self.repository.claim(stage)
        if holder is not None:
            self._holders[stage] = holder
            return False
        del self._holders[stage]
        self.repository.forget_all()
        self._recorder.reload(stage)
        return not self._end_unchanged(stage)

    def _end_unchanged(self, stage: Stage) -> bool:
        """End the stage if it is unchanged; tell whether it is."""
        is_unchanged = self._updater.is_unchanged(stage)
        if is_unchanged:
            self._end(stage, StageState.UNCHANGED)
        return is_unchanged

    def _confirm(self, stage: Stage) -> None:
        """Ask whether to go on with the stage, if that is wanted. Raises PipelineError for a no."""
        if self.options.interactive or self.repository.is_interactive:
            with interruptible():
                confirmed = stage.confirm()
            if not confirmed:
                raise PipelineError("reproduction aborted by the user")

    def _launch(self, stage: Stage, number: int) -> None:
        """Start an attempt at the stage. number: from 1."""
        sandboxed = self.options.sandbox and stage.settings.sandbox
        if sandboxed:
            self._note_obstacle(stage)
        attempt = Attempt(
            stage,
            number,
            self._folders,
            f"{self._folders.processes.own()}-{self._scheduler.position[stage]}-{number}",
            sandboxed=sandboxed,
            left=[self.repository.workspace.root / name for name in self._left.of(stage.name)],
            reads_stdin=self.options.reads_stdin,
            ended=lambda result: self._ended_jobs.put(stage, result),
        )
        self.reporter.started(stage)
        self.start_worker(stage, attempt.worker)  # fails where a cluster is gone
        self._running[stage] = attempt

    def _note_obstacle(self, stage: Stage) -> None:
        """Say once why sandboxes are not at the workspace's own path, if they aren't."""
        obstacle = overlay_obstacle(stage)
        if obstacle is not None and not self._obstacle_noted:
            self._obstacle_noted = True
            self.reporter.note(
                f"commands run in folders of their own ({obstacle}):"
                f" a path that begins with {self.repository.workspace.root} leads past them"
            )

    def start_worker(self, stage: Stage, worker: Worker) -> None:
        """Start the commands. A flow has the stage's task run start them."""
        worker.start()

    def show_output(self, attempt: Attempt, *, whole: bool = False) -> None:
        """Show new lines of the commands. In a flow the stage's task run shows them."""
        for line in attempt.log.new_lines(whole=whole):
            self.reporter.output(attempt.stage, line)

    # Finishing stages

    def _finish(self, stage: Stage, result: JobResult) -> None:
        attempt = self._running[stage]
        self.show_output(attempt, whole=True)
        del self._running[stage]
        self.seconds[stage] = result.seconds
        try:
            with self._failing(stage):
                self._conclude(attempt, result.error)
        finally:
            self._remove(attempt)

    def _remove(self, attempt: Attempt) -> None:
        """Remove what is left of the attempt, while stages go on if a thread can be had."""
        try:
            self._cleaner.submit(attempt.remove)
        except RuntimeError:
            attempt.remove()

    def _conclude(self, attempt: Attempt, job_error: str | None) -> None:
        """Save what the attempt wrote, or schedule another. Raises PipelineError if it failed."""
        stage = attempt.stage
        if job_error is not None and attempt.number <= stage.settings.retries:
            attempt.give_up()
            self._retry(attempt, job_error)
            return
        result = attempt.bring_back(job_error)
        self._note_writes(stage, result.writes)
        for out in stage.outputs:
            self.repository.forget(out)
        if attempt.sandbox is None:
            self.repository.forget_all()  # the command may have written anywhere
        if result.error is not None:
            raise PipelineError(result.error)
        attempt.check_inputs()
        stage.save(attempt.inputs, commit=self.options.commit)
        self._record(stage, StageState.RAN)

    def _note_writes(self, stage: Stage, writes: Writes) -> None:
        """Tell what the command wrote beside its outs."""
        if writes.kept:
            files = shorten(writes.kept, WRITES_SHOWN)
            self.reporter.note(f"{stage}: left {files}, which no out names: not recorded")
            self.repository.forget_written(writes.kept)
            self._left.add(stage.name, writes.kept)
        if writes.private:
            files = shorten(writes.private, WRITES_SHOWN)
            self.reporter.note(
                f"{stage}: changed its own dependency {files}: not kept;"
                " declare an out, or `sandbox: false`"
            )

    def _retry(self, attempt: Attempt, error: str) -> None:
        """Schedule the next attempt, after a pause that doubles each time."""
        settings = attempt.stage.settings
        number = attempt.number + 1
        pause = settings.retry_delay * 2 ** (attempt.number - 1)
        plan = f"attempt {number} of {settings.retries + 1} in {pause:g} s"
        self.reporter.retrying(attempt.stage, f"{error}; {plan}")
        self._scheduler.retry(attempt.stage, number, pause)

    def _record(self, stage: Stage, state: StageState) -> None:
        """Record the stage, whose outs are in the workspace and in the cache, and end it."""
        self._recorder.add(stage)
        self._end(stage, state)

    def _fail(self, stage: Stage, error: str) -> None:
        self.errors[stage] = error
        self._end(stage, StageState.FAILED)

    def _end(self, stage: Stage, state: StageState) -> None:
        self.repository.release(stage)
        self._holders.pop(stage, None)
        self.states[stage] = state
        self.reporter.ended(stage, state, self.seconds.get(stage), self.errors.get(stage))
        settling = 0.0
        if state.has_new_outs:
            settling = SETTLING
        self._scheduler.ended(stage, settling)
