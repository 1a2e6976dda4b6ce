"""Leave in the workspace what a command wrote beside its outs, as `dvc repro` would have."""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reprise.dvc import Stage
from reprise.dvc.workspace import Workspace


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


def is_compiled(path: Path) -> bool:
    """Tell whether the file is what Python makes of a module, beside the module."""
    return path.parent.name == "__pycache__"


def bring_writes(stage: Stage, files: Mapping[Path, Path], deleted: Iterable[Path] = ()) -> Writes:
    """Move files into the workspace, and delete others; but those that are not the stage's.

    files: for each path in the workspace, where the file is that the command wrote.
    """
    workspace = stage.workspace
    own = {*map(Path, stage.dep_paths), *stage.params}
    private = set()
    writes = Writes()
    for path, file in sorted(files.items()):
        name = os.path.relpath(path, workspace.root)
        around = {path, *path.parents}
        if around & own and not is_compiled(path):
            private.update(around & own)
            continue
        conflict = _conflict(workspace, path, file)
        if conflict is not None:
            writes.conflicts.append(f"wrote {name}, {conflict}")
        elif _is_folder(file):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, path)
            if not is_compiled(path):
                writes.kept.append(name)
    for path in sorted(deleted):
        name = os.path.relpath(path, workspace.root)
        around = {path, *path.parents}
        if around & own:
            private.update(around & own)
        elif conflict := _conflict(workspace, path, path):
            writes.conflicts.append(f"deleted {name}, {conflict}")
        else:
            path.unlink(missing_ok=True)
    writes.private = sorted(os.path.relpath(path, workspace.root) for path in private)
    return writes


def _conflict(workspace: Workspace, path: Path, file: Path) -> str | None:
    """Say whose the path is if the stage may not write it; None if it may.

    file: what it wrote there.
    """
    if is_compiled(path):
        return None
    owner = workspace.owner(path)
    if owner is not None:
        return owner
    if os.path.relpath(path, workspace.root) in workspace.tracked:
        return "which git tracks"
    if os.path.lexists(path) and _is_folder(path) != _is_folder(file):
        return "where the workspace has something else"
    return None


def _is_folder(path: Path) -> bool:
    """Tell whether the path is a folder; a link to one is none."""
    return path.is_dir() and not path.is_symlink()
