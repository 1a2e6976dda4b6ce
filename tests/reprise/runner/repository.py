"""Make small repositories for tests, and start `reprise run` in them."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import warm
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text

Make = Any


@pytest.fixture
def make(tmp_path: Path, commands: str) -> Make:
    """Return a function of stages and files that makes a repository in `tmp_path`.

    folder: in it, for a second repository. A dvc.yaml among the files replaces that of the stages.
    """

    def make_repository(
        stages: dict[str, Any], files: dict[str, str] | None = None, folder: str = ""
    ) -> Made:
        spec = {"files": {"a.in": "1\n", "dvc.yaml": text({"stages": stages}), **(files or {})}}
        return Made(tmp_path / folder, spec, commands).create()

    return make_repository


def stage(cmd: str, deps: list[str], out: str, **more: Any) -> dict[str, Any]:
    return {"cmd": cmd, "deps": deps, "outs": [out], **more}


def meta(**settings: Any) -> dict[str, Any]:
    return {"meta": {"reprise": settings}}


class Run(warm.Command):
    """Runs `reprise run` in a session of its own, with the methods of subprocess.Popen."""

    def __init__(self, made: Made, options: Sequence[str], terminal: int | None = None) -> None:
        """Start it. terminal: where it reads and writes; without one `stdout` has the output."""
        arguments = ["-m", "reprise", "run", *options]
        server = warm.server_of(Path(made.path.split(os.pathsep)[0]), arguments)
        with ExitStack() as opened:
            if terminal is None:
                output, its_output = os.pipe()
                opened.callback(os.close, its_output)
                self.stdout = os.fdopen(output)
                nothing = opened.enter_context(Path(os.devnull).open())
                standard = (nothing.fileno(), its_output, its_output)
            else:
                standard = (terminal, terminal, terminal)
            super().__init__(server, arguments, made.root, variables(made), standard, "new")

    def send_signal(self, number: int) -> None:
        """Send it to the process alone."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL to the process alone."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Return the exit status, if the process has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.001)
        return self.returncode

    def communicate(self, timeout: float = 60) -> tuple[str, str]:
        """Read what is left of the output, and wait for the end. timeout: seconds."""
        last = time.monotonic() + timeout
        text = b""
        while select.select([self.stdout], [], [], last - time.monotonic())[0]:
            part = os.read(self.stdout.fileno(), 1 << 16)
            text += part
            if not part:
                break
        self.wait(max(0.1, last - time.monotonic()))
        self.stdout.close()
        return text.decode(), ""

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exception: object) -> None:
        self.wait()
        self.stdout.close()


def start(made: Made, *options: str) -> "Run | subprocess.Popen[str]":
    """Start `reprise run` in a process group of its own, for signals as from a terminal."""
    if "--prefect" not in options:
        return Run(made, options)
    # A whole process: Prefect sends the last states when Python exits, which a fork skips.
    command = [sys.executable, "-m", "reprise", "run", *options]
    return subprocess.Popen(
        command,
        cwd=made.root,
        env=variables(made),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def variables(made: Made) -> dict[str, str]:
    """Return the environment of a run that is started."""
    site = str(made.folder.parent / "site")
    return {**os.environ, "DVC_SITE_CACHE_DIR": site}


def wait_for(path: Path, seconds: float = 20) -> None:
    for _ in range(int(seconds * 20)):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def is_gone(pid: int) -> bool:
    """Tell whether the process ended, if perhaps nobody has waited for it yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def is_gone_soon(pid: int) -> bool:
    """Tell whether the process ends within seconds, as one does that was killed."""
    for _ in range(100):
        if is_gone(pid):
            return True
        time.sleep(0.05)
    return False
