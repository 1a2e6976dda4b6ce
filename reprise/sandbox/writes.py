"""Leave in the workspace what a command wrote beside its outs, as `dvc repro` would have."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from reprise.dvc import Stage
from reprise.dvc.workspace import Workspace

ANOTHER_KIND = "where the workspace has something else"
UNSEEN = "expected it among the outs (`persist: true`) or in .gitignore, or `sandbox: false`"


@dataclass
class Writes:
    """Holds what a command wrote beside its outs. Paths are relative to the root.

    kept: files that are in the workspace now. private: deps of the stage, which stay as they were.
    conflicts: what was not kept because it belongs to another stage or to git, each with what the
    command did and the reason.
    """

    kept: list[str] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Write:
    """Holds a file that a command wrote.

    path: its place in the workspace; file: where it is; given: what the command was shown there,
    None where that was nothing.
    """

    path: Path
    file: Path
    given: Path | None


def is_compiled(path: Path) -> bool:
    """Tell whether the file is what Python makes of a module, beside the module."""
    return path.parent.name == "__pycache__"


def bring_writes(stage: Stage, written: Iterable[Write], deleted: Iterable[Path] = ()) -> Writes:
    """Move files into the workspace, and delete others; but those that are not the stage's."""
    workspace = stage.workspace
    own = {*map(Path, stage.dep_paths), *stage.params}
    private: set[Path] = set()
    writes = Writes()
    for write in sorted(written, key=attrgetter("path")):
        deps = own.intersection([write.path, *write.path.parents])
        if deps and not is_compiled(write.path):
            private |= deps
        else:
            _bring(workspace, write, writes)
    for path in sorted(deleted):
        deps = own.intersection([path, *path.parents])
        if deps:
            private |= deps
        else:
            _delete(workspace, path, writes)
    writes.private = sorted(os.path.relpath(path, workspace.root) for path in private)
    return writes


def _bring(workspace: Workspace, write: Write, writes: Writes) -> None:
    """Move a file into the workspace, or note why not."""
    name = os.path.relpath(write.path, workspace.root)
    conflict = _write_conflict(workspace, write)
    if conflict is not None:
        writes.conflicts.append(f"wrote {name}, {conflict}")
        return
    if is_folder(write.file):
        write.path.mkdir(parents=True, exist_ok=True)
        return
    _replace(write.path, write.file)
    if not is_compiled(write.path):
        writes.kept.append(name)


def _delete(workspace: Workspace, path: Path, writes: Writes) -> None:
    """Delete a file of the workspace, or note why not."""
    conflict = _conflict(workspace, path)
    if conflict is None:
        path.unlink(missing_ok=True)
        return
    name = os.path.relpath(path, workspace.root)
    writes.conflicts.append(f"deleted {name}, {conflict}")


def _replace(path: Path, file: Path) -> None:
    """Move a file into the workspace."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()  # or the file would be moved to where it leads
    shutil.move(file, path)


def _write_conflict(workspace: Workspace, write: Write) -> str | None:
    """Say why the workspace can't have what was written; None if it can."""
    path = write.path
    if is_compiled(path):
        return None
    if is_folder(write.file):  # an empty one, or one around an out: it is nobody's own
        has_other = os.path.lexists(path) and not path.is_dir()
        if has_other:
            return ANOTHER_KIND
        return None
    conflict = None
    if not _is_of_dvc(path):
        conflict = _conflict(workspace, path)
    if conflict is None and os.path.lexists(path):
        conflict = _difference(write)
    return conflict


def _difference(write: Write) -> str | None:
    """Say why what was written can't take the place of what the workspace has; None if it can."""
    if is_folder(write.path):
        return ANOTHER_KIND
    if write.given is None:
        return f"which was there and which it could not see: {UNSEEN}"
    if not _is_as_given(write.path, write.given):
        return "which changed while the command ran"
    return None


def _conflict(workspace: Workspace, path: Path) -> str | None:
    """Say whose the path is if the stage may not write it; None if it may."""
    owner = workspace.owner(path)
    if owner is not None:
        return owner
    if os.path.relpath(path, workspace.root) in workspace.tracked:
        return "which git tracks"
    return None


def _is_of_dvc(path: Path) -> bool:
    """Tell whether DVC keeps its own notes in the file: tools add to them, such as DVCLive."""
    return path.name in ("dvc.yaml", ".gitignore") or path.suffix == ".dvc"


def _is_as_given(path: Path, given: Path) -> bool:
    """Tell whether the workspace still has what the command was shown: a link to it, or a copy."""
    if path.is_symlink():
        return True
    now, before = path.stat(), given.stat()
    return (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def is_folder(path: Path) -> bool:
    """Tell whether the path is a folder; a link to one is none."""
    return path.is_dir() and not path.is_symlink()
