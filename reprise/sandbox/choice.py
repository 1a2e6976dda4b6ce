"""Choose the kind of sandbox that this machine has."""

import os
from functools import cache
from pathlib import Path

from reprise.dvc import Stage
from reprise.process.namespace import Overlay, find_obstacle
from reprise.sandbox.folder import FolderSandbox
from reprise.sandbox.overlay import OverlaySandbox
from reprise.sandbox.sandbox import AS_DECLARED, Contents, Sandbox
from reprise.state.folders import StateFolders, remove_sandbox

VARIABLE = "REPRISE_SANDBOX"  # of the environment: `folder` for sandboxes without namespaces


def make_sandbox(
    stage: Stage, folder: Path, contents: Contents = AS_DECLARED, *, private: bool = False
) -> Sandbox:
    """Make a sandbox, of the best kind that works here.

    private: the command may by no means change the inputs of the workspace.
    """
    if overlay_obstacle(stage) is None:
        return OverlaySandbox(stage, folder, contents, private=private)
    return FolderSandbox(stage, folder, contents, private=private)


def overlay_obstacle(stage: Stage) -> str | None:
    """Say why commands can't see their sandbox at the workspace's own path; None if they can."""
    return _find_obstacle(stage.workspace.root, os.environ.get(VARIABLE, ""))


@cache
def _find_obstacle(root: Path, setting: str) -> str | None:
    """Look for an obstacle once. `setting`: the value of VARIABLE."""
    if setting == "folder":
        return f"{VARIABLE}=folder"
    folders = StateFolders.in_repository(root)
    return try_overlay(root, folders.sandboxes / f"{folders.processes.own()}-trial")


def try_overlay(root: Path, folder: Path) -> str | None:
    """Try an overlay over the root; return why it is refused, None if it is not.

    folder: to make for it where those of sandboxes are. It is removed.
    """
    try:
        for name in ("lower", "upper", "work"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        lower, upper, work = (str(folder / name) for name in ("lower", "upper", "work"))
        return find_obstacle([Overlay(lower, str(root), upper, work)])
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    finally:
        remove_sandbox(folder)
