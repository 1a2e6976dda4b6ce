"""Prepares the environment for work that nobody watches."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reprise.git import PROTOCOLS, REPOSITORY_VARIABLES, git


@contextmanager
def unattended_environment() -> Iterator[None]:
    """Set this process's environment for the block, and put it back afterwards.

    Commands of this Python's environment come first on PATH: cron and Prefect's worker know
    nothing of an activated one. Git and ssh ask nobody. Git follows no address to a protocol that
    runs commands, unless the user allows it. What says that git is in another repository is gone.
    """
    folder = Path(sys.executable).parent
    changes: dict[str, str | None] = dict.fromkeys(REPOSITORY_VARIABLES)
    changes["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    changes["GIT_TERMINAL_PROMPT"] = "0"
    changes["GIT_ALLOW_PROTOCOL"] = os.environ.get("GIT_ALLOW_PROTOCOL", ":".join(PROTOCOLS))
    changes["DVC_NO_ANALYTICS"] = "1"
    if not _has_ssh_command():
        changes["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
    before = {}
    for name in changes:
        before[name] = os.environ.get(name)
    _update(changes)
    try:
        yield
    finally:
        _update(before)


def _has_ssh_command() -> bool:
    """Tell whether the user has said how git is to call ssh."""
    if not os.environ.keys().isdisjoint({"GIT_SSH_COMMAND", "GIT_SSH"}):
        return True
    return git("config", "--default", "", "core.sshCommand") != ""


def _update(values: Mapping[str, str | None]) -> None:
    """Set variables, and remove those that are None."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
