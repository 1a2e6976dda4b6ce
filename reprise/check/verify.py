"""Run stages again, without the run-cache, and compare their outs byte for byte."""

import filecmp
import os
from pathlib import Path

from reprise.dvc import ChangeKind, Stage
from reprise.errors import PipelineError
from reprise.sandbox.choice import make_sandbox
from reprise.sandbox.isolated import isolated_folder, run_isolated


def verify(stage: Stage) -> str | None:
    """Run the stage in a sandbox, and compare its outs there with those of the workspace.

    Returns None if every out is the same; else what is wrong, to be printed: the first file that
    differs, or how the command failed. Outs that persist, and those outside the repository, are
    not compared. Raises PipelineError if the stage is not up to date.
    """
    if any(change.kind is not ChangeKind.ALWAYS for change in stage.changes()):
        raise PipelineError(f"stage '{stage.name}' is not up to date: `reprise run` first")
    sandbox = make_sandbox(stage, isolated_folder(stage), private=True)
    with run_isolated(sandbox) as run:
        if run.error is not None:
            return f"failed: {run.error}"
        for out, persists in stage.outputs.items():
            if persists or not out.is_relative_to(stage.workspace.root):
                continue
            difference = _first_difference(out, sandbox.written(out))
            if difference is not None:
                return f"{os.path.relpath(difference)} differs"
    return None


def unverifiable(stage: Stage) -> str | None:
    """Say why the stage has nothing to compare, or why a sandbox is not for it; None if it has."""
    if not stage.has_command:
        return "runs no command"
    if not stage.settings.sandbox:
        return "sandbox: false"
    if stage.outputs and all(stage.outputs.values()):
        return "its outs persist from run to run"
    return None


def _first_difference(old: Path, new: Path) -> Path | None:
    """Return the first file of the old out, by name, that differs or that one of the two lacks."""
    for name in sorted(_file_names(old) | _file_names(new)):
        if not _are_same(old / name, new / name):
            return old / name
    return None


def _are_same(old: Path, new: Path) -> bool:
    """Tell whether both exist, and are links to the same path or files with the same bytes."""
    if old.is_symlink() and new.is_symlink():
        return old.readlink() == new.readlink()
    try:
        return filecmp.cmp(old, new, shallow=False)
    except FileNotFoundError:
        return False


def _file_names(out: Path) -> set[Path]:
    """Return the paths in the out of all files but .gitignore, which DVC writes; `.` for a file."""
    files = [path for path in (out, *out.rglob("*")) if not path.is_dir()]
    return {file.relative_to(out) for file in files if file.name != ".gitignore"}
