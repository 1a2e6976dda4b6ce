"""Opens a DVC repository: its stages, its lock, claims on files, and its lock files."""

import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Self

from dvc.exceptions import DvcException, NoOutputOrStageError
from dvc.fs import LocalFileSystem
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage import Stage as DVCStage
from dvc.stage.exceptions import StageFileDoesNotExistError, StageNotFound

from reprise.dvc.damage.debris import remove_debris
from reprise.dvc.deps import local_items
from reprise.dvc.exceptions import dvc_boundary
from reprise.dvc.graph import Graph, make_graph
from reprise.dvc.lock_writer import LockWriter
from reprise.dvc.patches import patched
from reprise.dvc.recorded.loader import RecordLoader
from reprise.dvc.recorded.recorded_stage import RecordedStage
from reprise.dvc.recorded.stage_record import StageRecord
from reprise.dvc.rwlock import Claim, RWLockFile
from reprise.dvc.selection import Selection, select
from reprise.dvc.stage import Stage
from reprise.dvc.workspace import Inventory, Workspace
from reprise.errors import PipelineError

WITH_UPSTREAM = Selection()  # the targets and all that they depend on


class Repository:
    """Holds an open DVC repository.

    Use it in a `with`: inside, DVC's parts are replaced by those of `patches`. Its methods, and
    those of its stages, are for one thread. What writes wants `lock()`.
    """

    def __init__(self) -> None:
        """Open the repository around the current folder. Raises PipelineError if there is none."""
        try:
            self._repo = Repo(_wait_for_lock=False)
        except DvcException as e:
            raise PipelineError(e) from None
        self.workspace = Workspace(self._repo)
        self.temporary = self.workspace.temporary
        self._lock_writer = LockWriter(self._repo, self.temporary)
        self._rwlock = RWLockFile(self._repo)
        self.loader = RecordLoader(self._repo)
        self._claims: dict[Stage, Claim] = {}
        self._on_exit = ExitStack()

    def __enter__(self) -> Self:
        """Put the patches of DVC in force."""
        assert isinstance(self._repo.fs, LocalFileSystem)
        self._on_exit.enter_context(patched(self._repo.fs, self.workspace.file_cache))
        self._on_exit.callback(self._repo.close)
        return self

    def __exit__(self, *_: object) -> None:
        """Close DVC's files, and undo the patches if no other repository is open."""
        self._on_exit.close()

    @contextmanager
    def lock(self, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold DVC's own lock around its state.

        waiting: is told who holds it, again and again as long as another process does; what it
        raises ends the waiting.
        """
        while True:
            try:
                self._repo.lock.lock()
                break
            except LockError:
                waiting("another DVC process")
        try:
            yield
        finally:
            try:
                self._rwlock.write()
            finally:
                self._repo.lock.unlock()

    # Stages

    def collect_stages(
        self,
        targets: Sequence[str],
        selection: Selection = WITH_UPSTREAM,
    ) -> list[Stage]:
        """Collect the stages that `dvc repro` would go through, in its order.

        Each has its `upstream` stages among them. targets: stages, outs, dvc.yaml and .dvc files,
        none for the dvc.yaml of the current folder. Raises PipelineError for what is wrong in the
        pipeline, whichever stage it is in.
        """
        with dvc_boundary():
            graph = make_graph(self._repo.index)
            nodes = self._select(graph, targets, selection)
        by_node = {node: Stage(self.workspace, node) for node in nodes}
        stages = [*by_node.values()]
        self._lock_writer.note_loaded(stages)
        if selection.keeps_order:
            for before, stage in itertools.pairwise(stages):
                stage.after = before  # in the order in which they were named
        else:
            for node, stage in by_node.items():
                stage.upstream = [by_node[other] for other in graph[node] if other in by_node]
        for stage in stages:
            assert stage.settings  # wrong ones are refused before anything runs
        return stages

    def recorded_stages(
        self,
        records: Sequence[StageRecord],
        awake: Collection[int],
        inventory: Inventory,
        is_unmoved: Callable[[int], bool],
    ) -> list[Stage]:
        """Take the stages of records, in place of collecting them, where DVC's files are the same.

        awake: the positions of those that DVC is asked about at once. is_unmoved: tells whether
        no file of the stage at a position has moved. Raises PipelineError as DVC does.
        """
        workspace, loader = self.workspace, self.loader
        stages: list[Stage] = []
        for position, record in enumerate(records):
            with dvc_boundary():
                loader.open(record)
                if position in awake:
                    stages.append(Stage(workspace, loader.load(record)))
                    continue
            unmoved = partial(is_unmoved, position)
            stages.append(RecordedStage(workspace, record, loader, unmoved))
        for stage, record in zip(stages, records, strict=True):
            stage.upstream = [stages[position] for position in record.upstream]
        self._lock_writer.note_loaded(stages)
        workspace.inventory = inventory  # no sooner: where this fails, DVC is asked
        return stages

    def _select(self, graph: Graph, targets: Sequence[str], selection: Selection) -> list[DVCStage]:
        """Select stages as `dvc repro` does. An unknown target may be a known one misspelt."""
        try:
            return select(self._repo, graph, targets, selection)
        except (StageNotFound, NoOutputOrStageError, StageFileDoesNotExistError) as e:
            for target in targets:
                file, _, name = target.rpartition(":")
                known = self._names_in(os.path.normpath(file) if file else file)
                near = get_close_matches(name, known, n=1)
                if near and f"'{name}'" in str(e):
                    raise PipelineError(f"{e}; did you mean '{known[near[0]]}'?") from None
            raise

    def _names_in(self, file: str) -> dict[str, str]:
        """List a file's stages, or without one all stages and outs, each with how to name it."""
        names: dict[str, str] = {}
        for stage in self._repo.index.stages:
            target = str(stage.addressing)
            if not file:
                names |= {target: target} | {str(out): str(out) for out in stage.outs}
            elif stage.relpath == file:
                names[target.rpartition(":")[2]] = target
        return names

    # Claims on files

    def claim(self, stage: Stage) -> str | None:
        """Mark the stage's files as in use, as `dvc repro` does; or say who uses them."""
        read = [dep.fs_path for dep in local_items(stage.dvc.deps)]
        write = [out.fs_path for out in stage.dvc.outs]
        holder = self._rwlock.find_holder(read, write)
        if holder is None:
            # A name of its own: DVC keeps one claim of a process and name on a path.
            self._claims[stage] = self._rwlock.claim(f"reprise run: {stage}", read, write)
        return holder

    def drop_dead_claims(self) -> None:
        """Drop the claims of processes that have ended."""
        self._rwlock.drop_dead()

    def release(self, stage: Stage) -> None:
        """Take back the stage's claim, if it has one.

        Where another process keeps the file of claims locked, `release_all` tries once more.
        """
        claim = self._claims.get(stage)
        if claim is not None:
            with suppress(LockError):
                self._rwlock.release(claim)
                del self._claims[stage]

    def release_all(self) -> None:
        """Take back every claim."""
        for stage in [*self._claims]:
            self.release(stage)

    # What runs leave

    def write_locks(self, stages: Iterable[Stage], moved: Collection[Stage] = ()) -> None:
        """Write the stages' entries into the lock files; `stages` in plan order.

        moved: those of them that are there ahead of others, and go behind them.
        """
        self._lock_writer.write(stages, moved)

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """List or stage the changed files at the end, by DVC's `core.autostage`."""
        with self._repo.scm_context:
            yield
            self._repo.scm_context.ignored_paths = []  # what finished stays, whatever failed

    def forget(self, path: Path) -> None:
        """Forget the hash of a path that may have been written to."""
        self.workspace.file_cache.forget(os.fspath(path))

    def forget_all(self) -> None:
        """Forget all hashes, after something may have written anywhere."""
        self.workspace.file_cache.forget_all()

    def forget_written(self, names: Iterable[str]) -> None:
        """Forget what is known of files that a command made beside its outs.

        names: relative to the root.
        """
        for name in names:
            self.forget(self.workspace.root / name)
        self.workspace.forget_unmanaged()

    def remove_debris(self, stages: Iterable[Stage]) -> None:
        """Remove what a killed process left half written."""
        remove_debris(self._repo, stages)
        self._lock_writer.remove_parts()

    @property
    def run_cache_problem(self) -> str | None:
        """Say why no runs can be pulled from the remote; None where they can."""
        return self.workspace.run_cache.remote_problem

    @property
    def run_folder(self) -> str:
        """Return the folder of the run-cache."""
        folder: str = self._repo.stage_cache.cache_dir
        return folder

    @property
    def object_folder(self) -> str:
        """Return the folder of the cache's objects, with a separator at its end."""
        return os.path.join(self._repo.cache.local.path, "")

    @property
    def cache_folders(self) -> tuple[str, ...]:
        """Return the folders of objects and runs, and of what changes without a meaning."""
        return (self._repo.cache.local_cache_dir, self._repo.tmp_dir)

    @property
    def passing_folders(self) -> list[str]:
        """List the folders of files that no plan depends on: locks, and hashes by a file's time."""
        return [self._repo.tmp_dir, self._repo.site_cache_dir]

    @property
    def is_interactive(self) -> bool:
        """Tell whether `core.interactive` is set: DVC asks before it brings a stage up to date."""
        return bool(self._repo.config["core"].get("interactive", False))
