"""Runs replicates aside: a copy of the revision for each job, and `reprise run` in it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

from reprise.dvc import Repository, Selection, dvc_boundary
from reprise.dvc.history.detached import copy_revision, read_param, write_param
from reprise.errors import PipelineError
from reprise.process.groups import signal_group
from reprise.process.signals import interruptible
from reprise.replicate.plan import ReplicatedStage, other_seeds
from reprise.state.durations import Durations
from reprise.state.folders import StateFolders

Tell = Callable[[str], None]
LAST_LINES = 5  # of a command's output, in an error
GRACE = 20.0  # seconds in which an interrupted run ends its commands


class Work(NamedTuple):
    """Says what is to be trained. commit: None for the working tree; runs: of each stage.

    That with the declared seed is among the runs. push: the others go to the default remote, with
    their outs, which `dvc push --run-cache` leaves out.
    """

    commit: str | None
    stages: Sequence[ReplicatedStage]
    runs: Sequence[int]
    push: bool = False

    @classmethod
    def of(
        cls,
        commit: str | None,
        stages: Sequence[ReplicatedStage],
        *,
        is_base: bool,
        push: bool = False,
    ) -> "Work":
        """Take the numbers of runs that the stages declare for this side of a comparison."""
        runs = [stage.spec.base if is_base else stage.spec.change for stage in stages]
        return cls(commit, stages, runs, push)


@dataclass(frozen=True)
class Replicate:
    """Holds a stage of a revision with another seed. files: its predictions, by out."""

    stage: str
    seed: int
    files: dict[str, Path]


@contextmanager
def replicates(
    root: Path, work: Work, jobs: int, tell: Tell, durations: Durations
) -> Iterator[list[Replicate]]:
    """Bring the replicates of a revision up to date; their files are there until the block ends.

    root: of the DVC repository; tell: is told what the run-cache has, what is to be run, and of
    each that is done. What is done stays in the run-cache, whatever ends the others. Raises
    PipelineError for the first that fails, and Interrupted once all commands have ended.
    """
    folders = StateFolders.in_repository(root)
    name = f"{folders.processes.own()}-replicates-{work.commit or 'change'}"
    folder = folders.sandboxes / name
    folder.mkdir(parents=True, mode=0o700)  # the copies have the credentials of remotes
    commands = Commands()
    try:
        with interruptible():
            yield _Replication(folder, work, jobs, tell, commands).run(durations)
    finally:
        commands.end()
        shutil.rmtree(folder, ignore_errors=True)


class Commands:
    """Holds the commands that run, each in a process group of its own, to end them together."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._is_ended = False

    def run(self, root: Path, module: str, *arguments: str) -> None:
        """Run a command to its end. Raises PipelineError with its last lines if it fails."""
        with self._lock:
            if self._is_ended:
                raise PipelineError("interrupted")
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        output, _ = process.communicate()  # interrupted here, it is left for `end`
        with self._lock:
            self._running.discard(process)
        if process.returncode != 0:
            lines = output.strip().splitlines()[-LAST_LINES:]
            raise PipelineError("; ".join(lines) or f"exit status {process.returncode}")

    def end(self) -> None:
        """End the commands that run, as an interrupt does, and start no others."""
        with self._lock:
            self._is_ended = True
            running = [*self._running]
        for process in running:
            process.send_signal(signal.SIGTERM)  # `reprise run` ends what it started
        for process in running:
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                signal_group(process.pid, signal.SIGKILL)


class _Replication:
    """Runs the replicates of one revision, in copies in the folder."""

    def __init__(self, folder: Path, work: Work, jobs: int, tell: Tell, commands: Commands) -> None:
        self._folder, self._work, self._jobs = folder, work, jobs
        self._tell, self._commands = tell, commands
        self._copies: SimpleQueue[Path] = SimpleQueue()

    def run(self, durations: Durations) -> list[Replicate]:
        """Run all, so many at a time."""
        commit = self._work.commit
        first = copy_revision(self._folder / "0", commit)
        items = []
        for stage, runs in zip(self._work.stages, self._work.runs, strict=True):
            seeds = [*other_seeds(read_param(first / stage.file, stage.key), runs)]
            self._announce(first, stage, seeds, durations.expected(stage.name))
            items += [(stage, seed) for seed in seeds]
        self._copies.put(first)
        for number in range(1, min(self._jobs, len(items))):
            self._copies.put(copy_revision(self._folder / str(number), commit))
        pool = ThreadPoolExecutor(self._jobs)
        try:
            return list(pool.map(self._run_in_a_copy, items))  # in order; the first error is raised
        finally:
            self._commands.end()
            pool.shutdown(cancel_futures=True)

    def _announce(
        self, copy: Path, stage: ReplicatedStage, seeds: Sequence[int], seconds: float | None
    ) -> None:
        """Tell before anything trains what there is, and how long the rest may take."""
        self._check_out(copy, stage)
        missing = len(seeds) - sum(self._is_known(copy, stage, seed) for seed in seeds)
        name = "the working tree" if self._work.commit is None else self._work.commit[:12]
        line = f"{name}: {stage.name}: {len(seeds)} trainings with another {stage.key}"
        line += f": {len(seeds) - missing} are in the run-cache, {missing} to run"
        if missing and seconds is not None:
            line += f", about {seconds:.1f} s each, {min(self._jobs, missing)} at a time"
        self._tell(line)

    def _is_known(self, copy: Path, stage: ReplicatedStage, seed: int) -> bool:
        """Tell whether the run-cache, or that of the remote, has the run."""
        with (
            _another_seed(copy, stage, seed),
            chdir(copy),
            dvc_boundary(),
            Repository() as repository,
        ):
            (found,) = repository.collect_stages([stage.name], Selection(single_item=True))
            found.pull_inputs()
            return found.find_run(pull=True) is not None

    def _check_out(self, copy: Path, stage: ReplicatedStage) -> None:
        if stage.inputs:
            run = self._commands.run
            run(copy, "dvc", "checkout", "--quiet", "--allow-missing", *stage.inputs)

    def _run_in_a_copy(self, item: tuple[ReplicatedStage, int]) -> Replicate:
        copy = self._copies.get()
        try:
            done = self._run(copy, *item)
        finally:
            self._copies.put(copy)
        self._tell(f"{done.stage} with seed {done.seed}: done")
        return done

    def _run(self, copy: Path, stage: ReplicatedStage, seed: int) -> Replicate:
        """Run the stage and what follows it in a copy, and keep the predictions."""
        run = self._commands.run
        try:
            with _another_seed(copy, stage, seed):
                self._check_out(copy, stage)
                run(copy, "reprise", "run", "-j", "1", "--allow-missing", "--pull", *stage.targets)
                if self._work.push:
                    run(copy, "dvc", "push", "--quiet", "--run-cache", *stage.chain)
        except PipelineError as e:
            raise PipelineError(f"{stage.name} with {stage.key} {seed}: {e}") from None
        files = {}
        for path in stage.predictions:
            kept = self._folder / "predictions" / stage.name.replace("/", "-") / str(seed)
            files[path] = kept / path
            files[path].parent.mkdir(parents=True, exist_ok=True)
            shutil.move(copy / path, files[path])
        return Replicate(stage.name, seed, files)


@contextmanager
def _another_seed(copy: Path, stage: ReplicatedStage, seed: int) -> Iterator[None]:
    """Have the copy's params say another seed."""
    file = copy / stage.file
    before = file.read_bytes()
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    write_param(file, stage.key, seed)
    try:
        yield
    finally:
        file.write_bytes(before)
        os.utime(file, ns=times)
