"""The commands of a retraining, each in a process group of its own."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from reprise.errors import PipelineError
from reprise.git import REPOSITORY_VARIABLES, git
from reprise.process.groups import note_group
from reprise.process.signals import interruptible
from reprise.retrain.clone import Clone

LAST = 8  # lines that an error tells
Say = Callable[[str], None]


@contextmanager
def unattended() -> Iterator[None]:
    """The environment for work that nobody watches, in a repository of its own.

    Commands of this Python's environment come first on PATH: cron and Prefect's worker know nothing of an activated
    one. Git and ssh ask nobody. What says that git is in another repository is gone.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    own: dict[str, str | None] = {
        "PATH": path,
        "GIT_TERMINAL_PROMPT": "0",
        **dict.fromkeys(REPOSITORY_VARIABLES),
    }
    if not os.environ.keys() & {"GIT_SSH_COMMAND", "GIT_SSH"} and not git(
        "config", "--default", "", "core.sshCommand"
    ):
        own["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
    before = {name: os.environ.get(name) for name in own}
    _set(own)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    """In the environment; None: not there."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def output(place: Clone, *command: str) -> tuple[int, str]:
    """Exit status, and what the command printed."""
    with _process(place, command) as process:
        said, _ = process.communicate()
    return process.returncode, said.strip()


def run(place: Clone, say: Say, *command: str) -> None:
    """Every line is said. PipelineError with the last ones when it fails."""
    lines: list[str] = []
    say(f"$ {shlex.join(command)}")
    with _process(place, command) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            say(lines[-1])
        code = process.wait()
    if code != 0:
        raise PipelineError(f"{' '.join(command[:2])}: failed: {_cause(lines)}")


def _cause(lines: list[str]) -> str:
    """What failed stages printed last, or the command's own error, or its last lines."""
    failed = {line.split(": failed: ")[0] for line in lines if ": failed: " in line}
    stages = [line for line in lines if line.split(" | ")[0] in failed or ": failed: " in line]
    errors = [
        line.removeprefix("reprise: ")
        for line in lines
        if line.startswith(("ERROR: ", "reprise: "))
    ]
    return "; ".join(line for line in (stages or errors or lines)[-LAST:] if line.strip())


@contextmanager
def _process(place: Clone, command: tuple[str, ...]) -> Iterator["subprocess.Popen[str]"]:
    """A group of its own, so that an interrupt comes once; noted, so that the run after a killed one ends it."""
    with interruptible():
        process = subprocess.Popen(
            command,
            cwd=place.root,
            env={**os.environ, "DVC_NO_ANALYTICS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        note_group(place.group, process.pid)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
            place.group.unlink(missing_ok=True)
