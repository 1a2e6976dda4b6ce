"""DVC's repository: its graph, its lock, claims on files, and the lock files."""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dvc.dvcfile import PROJECT_FILE
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages
from dvc.stage import Stage as DVCStage

from reprise.dvc.exceptions import DVC_ERRORS, describe_error
from reprise.dvc.graph import around, graph_of, postorder
from reprise.dvc.lock_file import with_entries
from reprise.dvc.patches import replace_parts, rwlock
from reprise.dvc.rwlock import RWLockFile
from reprise.dvc.stage import Stage
from reprise.dvc.workspace import Workspace
from reprise.errors import PipelineError

LOCK_PART = "lock.part"  # dvc.lock while it is written, under DVC's lock


class Repository:
    """An open DVC repository. Its methods, and those of its stages, are for one thread, under `lock()`."""

    def __init__(self) -> None:
        """Opens the repository around the current folder. PipelineError if there is none."""
        try:
            self._repo = Repo(_wait_for_lock=False)
        except DvcException as e:
            raise PipelineError(e) from None
        self.workspace = Workspace(self._repo)
        self.temporary = self.workspace.temporary
        self._claims: dict[Stage, AbstractContextManager[None]] = {}
        self._lock_files: dict[
            str, tuple[int, int] | None
        ] = {}  # as they were when the stages were loaded
        self._claims_file = RWLockFile()
        replace_parts(self._repo, self.workspace.file_cache, self._claims_file)

    @contextmanager
    def lock(self, waiting: Callable[[str], None]) -> Iterator[None]:
        """DVC's own lock around its state, waited for as long as another process holds it."""
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
                self._claims_file.write()
            finally:
                self._repo.lock.unlock()

    def steps(
        self,
        targets: Sequence[str],
        *,
        downstream: bool = False,
        single_item: bool = False,
        everything: bool = False,
    ) -> list[Stage]:
        """The stages that `dvc repro` would go through, in its order, with their `upstream` among them.

        Raises PipelineError for what is wrong in the pipeline, whichever stage it is in.
        """
        try:
            graph = graph_of(self._repo.index)
            chosen = (
                []
                if everything
                else [s for t in targets or [PROJECT_FILE] for s in self._collect(t)]
            )
            part = around(graph, chosen, downstream=downstream) if chosen else graph
            nodes = chosen if single_item else postorder(part)
        except DVC_ERRORS as e:
            raise PipelineError(describe_error(e)) from None
        stages = {node: Stage(self.workspace, node) for node in nodes}
        locks = {s.dvc.dvcfile._lockfile.path for s in stages.values() if s.has_entry}
        self._lock_files = {path: _signature_of(path) for path in locks}
        before: list[Stage] = []
        for node, stage in stages.items():
            # Single items are in the order in which they were named, whatever the graph says.
            stage.upstream = (
                before[-1:] if single_item else [stages[n] for n in graph[node] if n in stages]
            )
            before.append(stage)
            assert stage.settings  # wrong ones are refused before anything runs
        return before

    def _collect(self, target: str) -> list[DVCStage]:
        """As `dvc repro` finds targets: stages, foreach groups, dvc.yaml and .dvc files; and outs as well."""
        path = os.path.abspath(target)
        stages = self._repo.index.stages
        found = [s for s in stages if path == s.path or any(out.fs_path == path for out in s.outs)]
        return found or collect_stages(self._repo, [target])

    def claim(self, stage: Stage) -> str | None:
        """Marks the stage's files as in use, as `dvc repro` does; or says who uses them."""
        local = [d for d in stage.dvc.deps if d.protocol == "local"]
        claim = rwlock(
            self._repo.tmp_dir,
            self._repo.fs,
            f"reprise run: {stage}",  # a name of its own: DVC keeps one claim of a process and name on a path
            [d.fs_path for d in local],
            [o.fs_path for o in stage.dvc.outs],
            self._repo.config["core"].get("hardlink_lock", False),
        )
        try:
            claim.__enter__()
        except LockError as e:
            return next(
                (line.strip() for line in str(e).splitlines() if "(PID" in line),
                str(e).splitlines()[0],
            )
        self._claims[stage] = claim
        return None

    def release(self, stage: Stage) -> None:
        if stage in self._claims:
            self._claims.pop(stage).__exit__(None, None, None)

    def release_all(self) -> None:
        for stage in [*self._claims]:
            self.release(stage)

    def write_locks(self, stages: Iterable[Stage]) -> None:
        """Writes each lock file once, whole or not at all. `stages` in plan order, as `dvc repro` writes them."""
        by_file: dict[str, list[Stage]] = {}
        for stage in stages:
            by_file.setdefault(stage.dvc.dvcfile._lockfile.path, []).append(stage)
        for path, changed in by_file.items():
            file = Path(path)
            if self._lock_files.get(path) != _signature_of(
                path
            ):  # another run wrote it since: its outs may be newer
                changed = [stage for stage in changed if not stage.outs_changed()]
            old = file.read_text(encoding="utf-8") if file.exists() else ""
            text = with_entries(old, {stage.key[1]: stage.entry() for stage in changed})
            if text != old:
                _replace(file, text, self.temporary / LOCK_PART)
                self._repo.scm_context.track_file(os.path.relpath(path))

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """Lists or stages the changed files at the end, by DVC's `core.autostage`."""
        with self._repo.scm_context:
            yield
            self._repo.scm_context.ignored_paths = []  # what finished stays, whatever failed

    def forget(self, path: Path) -> None:
        self.workspace.file_cache.forget(os.fspath(path))

    def forget_all(self) -> None:
        """After something may have written anywhere."""
        self.workspace.file_cache.forget_all()

    def remove_debris(self, stages: Iterable[Stage]) -> None:
        """What DVC was writing when its process was killed: `.<22 characters>.tmp` files, empty run-cache folders."""
        runs = [*Path(self._repo.stage_cache.cache_dir).glob("*/*")]
        cache = Path(self._repo.cache.local.path)
        for folder in {
            cache,
            *cache.glob("*"),
            *runs,
            *(out.parent for stage in stages for out in stage.outputs),
        }:
            for path in folder.glob(".*.tmp") if folder.is_dir() else ():
                if re.fullmatch(r"\.[\w-]{22}\.tmp", path.name):
                    path.unlink()
        for folder in runs:
            if not any(folder.iterdir()):
                folder.rmdir()
        for lock in self._lock_files:
            _beside(Path(lock)).unlink(missing_ok=True)

    def pull_runs(self) -> None:
        self.workspace.run_cache.pull()


def _signature_of(path: str) -> tuple[int, int] | None:
    """Inode and time; None where there is no file."""
    if not os.path.exists(path):
        return None
    s = os.stat(path)
    return (s.st_ino, s.st_mtime_ns)


def _replace(path: Path, text: str, part: Path) -> None:
    """Whole or not at all. `part`: where to write it first; one of a killed run is written over."""
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        try:
            _write(part, text).replace(path)
        except OSError as e:
            if e.errno != errno.EXDEV:
                raise
            _write(_beside(path), text).replace(path)  # .dvc/tmp is another mount
    except OSError as e:
        raise PipelineError(
            f"{path}: {e.strerror}; the journal keeps what finished for the next run"
        ) from None
    finally:
        part.unlink(missing_ok=True)
        _beside(path).unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _write(path: Path, text: str) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path
