"""Runs the commands of a stage, each in a process group of its own, with their output in a log file."""

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil
from ruamel.yaml.error import YAMLError

GRACE = 5.0  # seconds between the signal that asks and the one that kills
# A params file edited meanwhile, a NUL in a command, a full disk.
FAULTS = (OSError, ValueError, SyntaxError, YAMLError)


@dataclass(frozen=True)
class Job:
    """The commands of a stage, as plain values: another process may run them.

    argv: each command as it reads in dvc.yaml, and what runs it; timeout: seconds for all of them.
    """

    argv: list[tuple[str, Any]]
    environment: dict[str, str]
    timeout: float | None
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How the commands ended. error: None when all went well; seconds: of the commands alone."""

    error: str | None
    seconds: float


class Execution(Protocol):
    """Who runs the processes of a job."""

    def run(self, folder: Path, note: Path) -> Outcome:
        """In the folder. note: a file that names the process group while there is one."""

    def ask_to_end(self, number: int) -> None:
        """Sends the signal to the process group; no further command is started."""

    def kill(self) -> None:
        """Ends what still runs in the process group, and `run`."""


class Processes:
    """Processes of this one, one after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Lock()
        self._signal: int | None = None

    def run(self, folder: Path, note: Path) -> Outcome:
        start = time.monotonic()
        try:
            error = self._run_all(folder, note, start)
        except FAULTS as e:
            error = said(e, self._job.log)
        finally:
            note.unlink(missing_ok=True)
        return Outcome(error, time.monotonic() - start)

    def _run_all(self, folder: Path, note: Path, start: float) -> str | None:
        job = self._job
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("wb") as log:
            for text, argv in job.argv:
                with self._ended:
                    if self._signal is not None:
                        return "interrupted"
                    self._process = subprocess.Popen(
                        argv,
                        cwd=folder,
                        env=job.environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        shell=False,
                    )
                note_group(note, self._process.pid)
                try:
                    left = None if job.timeout is None else max(0.0, job.timeout - (time.monotonic() - start))
                    code = self._process.wait(left)
                except subprocess.TimeoutExpired:
                    _kill(self._process.pid, signal.SIGTERM)
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(GRACE)
                    _kill(self._process.pid, signal.SIGKILL)
                    self._process.wait()
                    return f"timed out after {job.timeout:g} s: {text}"
                if self._signal is not None:
                    return "interrupted"
                if code != 0:
                    return f"exit status {code}: {text}" if code > 0 else f"killed by signal {-code}: {text}"
        return None

    def ask_to_end(self, number: int) -> None:
        with self._ended:
            self._signal = number
            if self._process is not None:
                _kill(self._process.pid, number)

    def kill(self) -> None:
        if self._process is not None:
            _kill(self._process.pid, signal.SIGKILL)


def said(error: Exception, log: Path) -> str:
    """One of FAULTS, in words. `log`: the file that an error without a name is about."""
    return f"{error.filename or log}: {error.strerror or error}" if isinstance(error, OSError) else str(error)


def _kill(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def note_group(file: Path, pid: int) -> None:
    """So that a later run can end the command if this process is killed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(psutil.NoSuchProcess):
        file.write_text(f"{pid} {psutil.Process(pid).create_time()}")


def end_orphan(file: Path) -> None:
    """Kills the process group noted in the file, if it is still the same."""
    with suppress(ValueError, FileNotFoundError, psutil.NoSuchProcess, ProcessLookupError):
        pid, created = file.read_text().split()
        if psutil.Process(int(pid)).create_time() == float(created):
            os.killpg(int(pid), signal.SIGKILL)
    file.unlink(missing_ok=True)
