"""Choose the kind of sandbox that this machine has."""

import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from reprise.dvc import Inputs, Stage
from reprise.process.namespace import Overlay, find_obstacle
from reprise.sandbox.folder import FolderSandbox
from reprise.sandbox.overlay import OverlaySandbox
from reprise.sandbox.sandbox import Sandbox
from reprise.sandbox.undeclared import Undeclared
from reprise.state.folders import StateFolders

VARIABLE = "REPRISE_SANDBOX"  # of the environment: `folder` for sandboxes without namespaces


def make_sandbox(
    stage: Stage,
    folder: Path,
    extra: Sequence[Undeclared] = (),
    replacements: Mapping[Path, Mapping[str, Path]] = MappingProxyType({}),
    inputs: Inputs | None = None,
    *,
    private: bool = False,
) -> Sandbox:
    """Make a sandbox, of the best kind that works here. The arguments are Sandbox's.

    private: the command may by no means change the inputs of the workspace.
    """
    if overlay_obstacle(stage) is None:
        return OverlaySandbox(stage, folder, extra, replacements, inputs)
    return FolderSandbox(stage, folder, extra, replacements, inputs, private=private)


def overlay_obstacle(stage: Stage) -> str | None:
    """Say why commands can't see their sandbox at the workspace's own path; None if they can."""
    return _find_obstacle(stage.workspace.root, os.environ.get(VARIABLE, ""))


@cache
def _find_obstacle(root: Path, setting: str) -> str | None:
    """Try once an overlay over the root, with its upper folder where those of sandboxes are."""
    if setting == "folder":
        return f"{VARIABLE}=folder"
    folder = StateFolders.in_repository(root).sandboxes / f"{os.getpid()}-trial"
    try:
        for name in ("lower", "upper", "work"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        lower, upper, work = (str(folder / name) for name in ("lower", "upper", "work"))
        return find_obstacle([Overlay(lower, str(root), upper, work)])
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    finally:
        if (folder / "work" / "work").is_dir():
            (folder / "work" / "work").rmdir()
        shutil.rmtree(folder, ignore_errors=True)
