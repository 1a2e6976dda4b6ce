"""Runs replicates aside: a copy of the revision for each job, and `reprise run` in it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from reprise.dvc.history.detached import copy_revision, read_param, write_param
from reprise.errors import PipelineError
from reprise.replicate.plan import ReplicatedStage, other_seeds
from reprise.state.folders import StateFolders


@dataclass(frozen=True)
class Replicate:
    """Holds a stage of a revision with another seed. files: its predictions, by out."""

    stage: str
    seed: int
    files: dict[str, Path]


@contextmanager
def replicates(
    root: Path,
    commit: str | None,
    stages: Sequence[ReplicatedStage],
    runs: Callable[[ReplicatedStage], int],
    jobs: int,
    tell: Callable[[str], None],
) -> Iterator[list[Replicate]]:
    """Bring the replicates of a revision up to date; their files are there until the block ends.

    root: of the DVC repository; commit: None for the working tree; runs: of a stage, that with the
    declared seed among them; tell: is told of each that is done. What is done stays in the
    run-cache, whatever ends the others. Raises PipelineError for the first that fails.
    """
    folders = StateFolders.in_repository(root)
    folder = folders.sandboxes / f"{folders.processes.own()}-replicates"
    folder.mkdir(parents=True, mode=0o700)  # the copies have the credentials of remotes
    try:
        yield _run_all(folder, commit, stages, runs, jobs, tell)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_all(
    folder: Path,
    commit: str | None,
    stages: Sequence[ReplicatedStage],
    runs: Callable[[ReplicatedStage], int],
    jobs: int,
    tell: Callable[[str], None],
) -> list[Replicate]:
    first = copy_revision(folder / "0", commit)
    work = []
    for stage in stages:
        declared = read_param(first / stage.file, stage.key)
        work += [(stage, seed) for seed in other_seeds(declared, runs(stage))]
    copies: SimpleQueue[Path] = SimpleQueue()
    copies.put(first)
    for number in range(1, min(jobs, len(work))):
        copies.put(copy_revision(folder / str(number), commit))

    def run(item: tuple[ReplicatedStage, int]) -> Replicate:
        root = copies.get()
        try:
            done = _run(root, *item, folder / "predictions")
        finally:
            copies.put(root)
        tell(f"{done.stage} with seed {done.seed}: done")
        return done

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(run, work))  # what raises cancels those that have not begun


def _run(root: Path, stage: ReplicatedStage, seed: int, results: Path) -> Replicate:
    """Run the stage and what follows it in a copy, and keep the predictions."""
    file = root / stage.file
    before = file.read_bytes()
    try:
        write_param(file, stage.key, seed)
        if stage.inputs:
            _command(root, "dvc", "checkout", "--quiet", "--allow-missing", *stage.inputs)
        _command(root, "reprise", "run", "-j", "1", "--allow-missing", "--pull", *stage.targets)
    except PipelineError as e:
        raise PipelineError(f"{stage.name} with {stage.key} {seed}: {e}") from None
    finally:
        file.write_bytes(before)
    files = {}
    for path in stage.predictions:
        files[path] = results / stage.name.replace("/", "-") / str(seed) / path
        files[path].parent.mkdir(parents=True, exist_ok=True)
        shutil.move(root / path, files[path])
    return Replicate(stage.name, seed, files)


def _command(root: Path, module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines()[-5:]
        raise PipelineError("; ".join(lines) or f"exit status {done.returncode}")
