"""Runs replicates aside: `reprise run` in copies of the revisions, for what no run-cache has."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from reprise.dvc.history.detached import changed_param, copy_revision, read_param
from reprise.errors import PipelineError
from reprise.git import outside_repository, redacted
from reprise.process.commands import Commands
from reprise.process.signals import interruptible
from reprise.replicate.plan import ReplicatedStage, other_seeds
from reprise.replicate.restore import PushError, restore
from reprise.state.durations import Durations
from reprise.state.folders import StateFolders, remove_copies

Tell = Callable[[str], None]
LAST_LINES = 5  # of a command's output, in an error


class Work(NamedTuple):
    """Says what is to be trained. commit: None for the working tree; runs: of each stage.

    That with the declared seed is among the runs. push: the others go to the default remote, and
    their outs to theirs.
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
        runs = []
        for stage in stages:
            runs.append(stage.spec.base if is_base else stage.spec.change)
        return cls(commit, stages, runs, push)


@dataclass
class Replicate:
    """Holds a stage of a revision with another seed. files: its predictions, by out, once made."""

    stage: ReplicatedStage
    seed: int
    files: dict[str, Path] | None = None


@contextmanager
def replicates(
    root: Path, works: Sequence[Work], jobs: int, tell: Tell, durations: Durations
) -> Iterator[list[list[Replicate]]]:
    """Bring the replicates of revisions up to date; their files are there until the block ends.

    Yields those of each revision. root: of the DVC repository; jobs: how many run at a time; tell:
    is told what the run-cache has, what is to be run, and of each that is done. What is done stays
    in the run-cache, whatever ends the others. Raises PipelineError for the first that fails, and
    Interrupted once all commands have ended.
    """
    folders = StateFolders.in_repository(root)
    folders.clean_up_after_killed()
    own = folders.processes.own()
    folder = folders.replicates / f"{own}-copies"
    folder.mkdir(parents=True, mode=0o700)  # the copies have the credentials of remotes
    try:
        with outside_repository(), interruptible(), Commands() as commands:
            revisions = []
            for number, work in enumerate(works):
                note = folders.groups / f"{own}-replicates-{number}"
                revisions.append(_Revision(work, folder / str(number), note, commands))
            for revision in revisions:
                revision.restore_known(tell)
            for revision in revisions:
                revision.announce(durations, tell)
            _run_missing(revisions, jobs, tell, commands)
            yield [revision.replicates for revision in revisions]
    finally:
        remove_copies(folder)


class _Revision:
    """Runs the replicates of one revision, in copies of it."""

    def __init__(self, work: Work, folder: Path, note: Path, commands: Commands) -> None:
        """Make the first copy in the folder. note: where the groups of commands are noted."""
        self._work, self._folder, self._note, self._commands = work, folder, note, commands
        self._idle: SimpleQueue[Path] = SimpleQueue()  # copies in which nothing runs
        self._copies = 0
        self._pull = True
        self._first = first = self._copy()  # in which runs are found, and pushed
        self.replicates: list[Replicate] = []
        for stage, runs in zip(work.stages, work.runs, strict=True):
            declared = read_param(first / stage.file, stage.key)
            for seed in other_seeds(stage, declared, runs):
                self.replicates.append(Replicate(stage, seed))

    @property
    def name(self) -> str:
        if self._work.commit is None:
            return "the working tree"
        return self._work.commit[:12]

    @property
    def missing(self) -> list[Replicate]:
        missing = []
        for replicate in self.replicates:
            if replicate.files is None:
                missing.append(replicate)
        return missing

    def _copy(self) -> Path:
        data: dict[str, None] = {}
        for stage in self._work.stages:
            data.update(dict.fromkeys(stage.inputs))
        folder = self._folder / str(self._copies)
        self._copies += 1
        return copy_revision(folder, self._work.commit, list(data))

    def add_copies(self, most: int) -> None:
        """Have as many copies as can be in use at a time. most: that many."""
        if not self._work.push:
            self._idle.put(self._first)
        while self._idle.qsize() < min(most, len(self.missing)):
            self._idle.put(self._copy())

    def restore_known(self, tell: Tell) -> None:
        """Restore what the run-cache, or that of the remote, has."""
        for replicate in self.replicates:
            with self._naming(replicate):
                if self._find(replicate, tell):
                    self._keep(self._first, replicate)

    def _find(self, replicate: Replicate, tell: Tell) -> bool:
        """Restore the replicate if it is known. What can't be asked is told: it can be trained.

        A remote that can't be asked is not asked again.
        """
        try:
            return self._restore(replicate)
        except PushError:
            raise
        except PipelineError as e:
            reason = redacted(str(e))
        if not self._pull:
            tell(f"{self.name}: whether a training is known was not found out: {reason}")
            return False
        tell(f"{self.name}: the remote is not asked for trainings: {reason}")
        self._pull = False
        return self._find(replicate, tell)

    def _restore(self, replicate: Replicate) -> bool:
        copy, stage = self._first, replicate.stage
        with changed_param(copy / stage.file, stage.key, replicate.seed):
            return restore(copy, stage, pull=self._pull, push=self._work.push)

    @contextmanager
    def _naming(self, replicate: Replicate) -> Iterator[None]:
        """Have errors say which replicate they are of."""
        try:
            yield
        except PipelineError as e:
            name, key = replicate.stage.name, replicate.stage.key
            raise PipelineError(f"{self.name}: {name} with {key} {replicate.seed}: {e}") from None

    def announce(self, durations: Durations, tell: Tell) -> None:
        """Tell what there is, what is to be run, and how long that may take."""
        for stage in self._work.stages:
            all_, missing = [], []
            for replicate in self.replicates:
                if replicate.stage is stage:
                    all_.append(replicate)
                    if replicate.files is None:
                        missing.append(replicate)
            line = f"{self.name}: {stage.name}: {len(all_)} trainings with another {stage.key}"
            line += f": {len(all_) - len(missing)} are in the run-cache, {len(missing)} to run"
            if missing:
                line += f", {_expected(stage, durations)}"
            tell(line)

    def run(self, replicate: Replicate) -> None:
        """Run the replicate in a copy that is idle. For any thread."""
        stage, seed = replicate.stage, replicate.seed
        options = ["-j", "1", "--allow-missing"]
        if self._pull:
            options.append("--pull")
        copy = self._idle.get()
        try:
            with self._naming(replicate):
                with changed_param(copy / stage.file, stage.key, seed):
                    self._command(copy, "reprise", "run", *options, *stage.targets)
                self._keep(copy, replicate)
        finally:
            self._idle.put(copy)

    def push(self, replicate: Replicate) -> None:
        """Push what was run, if that is asked for. For the main thread."""
        if not self._work.push:
            return
        with self._naming(replicate):
            if not self._restore(replicate):
                raise PushError("it was not pushed: the run-cache does not have it after the run")

    def _command(self, copy: Path, module: str, *arguments: str) -> None:
        """Run a command in the copy. Raises PipelineError with its last lines if it fails."""
        command = [sys.executable, "-m", module, *arguments]
        number = copy.relative_to(self._folder).parts[0]
        note = self._note.with_name(f"{self._note.name}-{number}")
        with self._commands.running(command, copy, note) as process:
            output, _ = process.communicate()
        if process.returncode != 0:
            lines = output.strip().splitlines()[-LAST_LINES:]
            raise PipelineError("; ".join(lines) or f"exit status {process.returncode}")

    def _keep(self, copy: Path, replicate: Replicate) -> None:
        """Move the predictions out of the copy, for which the next ones come."""
        kept = self._folder / "predictions" / str(self.replicates.index(replicate))
        files = {}
        for path in replicate.stage.predictions:
            if not (copy / path).exists():
                raise PipelineError(
                    f"found no {path} after the run; expected its stage to write it with each seed"
                )
            files[path] = kept / path
            files[path].parent.mkdir(parents=True, exist_ok=True)
            shutil.move(copy / path, files[path])
        replicate.files = files


def _expected(stage: ReplicatedStage, durations: Durations) -> str:
    """Say how long the stage, and what follows it, ran here before."""
    seconds = 0.0
    for name in stage.chain:
        expected = durations.expected(name)
        if expected is None:
            return "nobody knows how long each takes"
        seconds += expected
    return f"about {seconds:.1f} s each"


def _run_missing(revisions: Sequence[_Revision], jobs: int, tell: Tell, commands: Commands) -> None:
    """Run what the run-cache lacks, so many at a time, and tell of each that is done."""
    work = []
    for revision in revisions:
        for each in revision.missing:
            work.append((revision, each))
    if not work:
        return
    for revision in revisions:
        revision.add_copies(jobs)

    def run(revision: _Revision, replicate: Replicate) -> float:
        start = time.monotonic()
        revision.run(replicate)
        return time.monotonic() - start

    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(run, *each): each for each in work}
        for number, ended in enumerate(as_completed(futures), 1):
            revision, replicate = futures[ended]
            seconds = ended.result()  # or raises what the run did
            revision.push(replicate)
            what = f"{replicate.stage.name} with {replicate.stage.key} {replicate.seed}"
            tell(f"{number} of {len(work)}: {revision.name}: {what}: done in {seconds:.1f} s")
    finally:
        commands.end()
        pool.shutdown(cancel_futures=True)
