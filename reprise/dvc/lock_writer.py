"""Writes the lock files of a run, each once, whole or not at all."""

import errno
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile
from dvc.repo import Repo

from reprise.dvc.lock_file import replace_entries, replace_parsed
from reprise.dvc.stage import Stage
from reprise.errors import PipelineError

LOCK_PART = "lock.part"  # dvc.lock while it is written, under DVC's lock

_Signature = tuple[int, int]  # inode and time


class LockWriter:
    """Writes the entries of stages into their lock files."""

    def __init__(self, repo: Repo, temporary: Path) -> None:
        """Take the folder in which a file is written before it replaces the old one."""
        self._repo = repo
        self._part = temporary / LOCK_PART
        self._loaded: dict[str, _Signature | None] = {}  # lock files, when stages were loaded

    def note_loaded(self, stages: Iterable[Stage]) -> None:
        """Remember the lock files as they are now: the stages have just been loaded from them."""
        paths = {_lock_path(stage) for stage in stages if stage.has_entry}
        self._loaded = {path: _signature(path) for path in paths}

    def write(self, stages: Iterable[Stage], moved: Collection[Stage] = ()) -> None:
        """Write each lock file once. `stages` in plan order, as `dvc repro` writes them.

        moved: those of them that are at the end of their file ahead of others, and are appended
        once more. Raises PipelineError when a file can't be written.
        """
        by_path: dict[str, list[Stage]] = {}
        for stage in stages:
            by_path.setdefault(_lock_path(stage), []).append(stage)
        for path, of_file in by_path.items():
            self._write_file(path, of_file, moved)

    def _write_file(self, path: str, stages: list[Stage], moved: Collection[Stage]) -> None:
        """Write the stages' entries into one lock file, if they change it."""
        if self._loaded.get(path) != _signature(path):
            # Another run wrote it since: its outs may be newer.
            stages = [stage for stage in stages if not stage.outs_changed()]
        if not stages:
            return
        file = Path(path)
        old, parsed, text = b"", {}, ""
        if file.exists():
            old = file.read_bytes()
            parsed, text = stages[0].workspace.file_cache.load_lock(_lock_file(stages[0]))
        entries = {}
        for stage in stages:
            _, name = stage.key
            entries[name] = stage.entry()
        at_end = _names_at_end(parsed, moved)
        new = replace_entries(text, parsed, entries, at_end)
        if new.encode() != old:  # line ends count
            _replace(file, new, self._part)
            self._repo.scm_context.track_file(os.path.relpath(path))
            data = replace_parsed(new, parsed, entries, at_end)
            stages[0].workspace.file_cache.keep_lock(path, new, data)

    def remove_parts(self) -> None:
        """Remove what a killed run left beside the lock files."""
        for path in self._loaded:
            _beside(Path(path)).unlink(missing_ok=True)


def _names_at_end(parsed: Mapping[str, Any], moved: Collection[Stage]) -> set[str]:
    """Name the stages that are to be moved; none if others were written after them."""
    names = {stage.key[1] for stage in moved}
    in_file = [*parsed.get("stages", {})]
    names.intersection_update(in_file)
    at_end = in_file[len(in_file) - len(names) :]
    if names == set(at_end):
        return names
    return set()


def _lock_file(stage: Stage) -> Lockfile:
    file: Lockfile = stage.dvc.dvcfile._lockfile
    return file


def _lock_path(stage: Stage) -> str:
    return os.fspath(stage.declared_in.with_suffix(".lock"))


def _signature(path: str) -> _Signature | None:
    """Return None where there is no file."""
    if not os.path.exists(path):
        return None
    status = os.stat(path)
    return (status.st_ino, status.st_mtime_ns)


def _replace(path: Path, text: str, part: Path) -> None:
    """Replace the file whole or not at all. The part of a killed run is written over.

    Raises PipelineError when that fails; the old file is then still there.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()  # it may be a link
    try:
        _write_and_move(path, text, part)
    except OSError as e:
        raise PipelineError(
            f"{path}: {e.strerror}; the journal keeps what finished for the next run"
        ) from None
    finally:
        part.unlink(missing_ok=True)
        _beside(path).unlink(missing_ok=True)


def _write_and_move(path: Path, text: str, part: Path) -> None:
    """Write the part, or a file beside the path where the part can't be moved."""
    try:
        _write(part, text)
        _copy_rights(path, part)
        part.replace(path)
    except OSError as e:
        if e.errno != errno.EXDEV:
            raise
        # .dvc/tmp is another mount.
        _write(_beside(path), text)
        _copy_rights(path, _beside(path))
        _beside(path).replace(path)


def _copy_rights(path: Path, part: Path) -> None:
    """Give the part the mode of the old file, and its owner as far as we may."""
    with suppress(FileNotFoundError, PermissionError):
        old = path.stat()
        part.chmod(stat.S_IMODE(old.st_mode))
        os.chown(part, old.st_uid, old.st_gid)


def _beside(path: Path) -> Path:
    """Return the part's path in the lock file's own folder."""
    return path.with_name(f".{path.name}.part")


def _write(path: Path, text: str) -> None:
    """Write the file down to the disk, before it replaces another."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
