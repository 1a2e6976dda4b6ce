"""Runs stages again, run_isolated and without the run-cache, and compares their outs with dvc.lock, byte for byte."""

import filecmp
import os
from pathlib import Path

from reprise.dvc import ChangeKind, Stage
from reprise.errors import PipelineError
from reprise.sandbox.isolated import isolated_folder, run_isolated
from reprise.sandbox.sandbox import Sandbox


def verify(stage: Stage) -> str | None:
    """None when every out is the same; else the first that differs, or why the stage can't be verified."""
    if any(change.kind != ChangeKind.ALWAYS for change in stage.changes()):
        raise PipelineError(f"stage '{stage.name}' is not up to date: `reprise run` first")
    sandbox = Sandbox(stage, isolated_folder(stage))
    with run_isolated(sandbox) as ran:
        if ran.error is not None:
            return f"failed: {ran.error}"
        for out, persists in stage.outputs.items():
            if not persists and out.is_relative_to(stage.workspace.root):
                differs = _first_difference(out, sandbox.path_of(out))
                if differs is not None:
                    return f"{os.path.relpath(differs)} differs"
    return None


def unverifiable(stage: Stage) -> str | None:
    """Why there is nothing to compare, if so."""
    if not stage.has_command:
        return "runs no command"
    if not stage.settings.sandbox:
        return "sandbox: false"
    if stage.outputs and all(stage.outputs.values()):
        return "its outs persist from run to run"
    return None


def _first_difference(ours: Path, again: Path) -> Path | None:
    """The first file, by name, that differs or is on one side only."""
    if not ours.is_dir() or not again.is_dir():
        same = ours.is_dir() == again.is_dir() and filecmp.cmp(ours, again, shallow=False)
        return None if same else ours
    names = {
        p.relative_to(folder)
        for folder in (ours, again)
        for p in folder.rglob("*")
        if not p.is_dir()
    }
    for name in sorted(n for n in names if n.name != ".gitignore"):
        pair = (ours / name, again / name)
        if not all(p.is_file() for p in pair) or not filecmp.cmp(*pair, shallow=False):
            return pair[0]
    return None
