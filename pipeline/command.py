"""Runs a stage's commands in a process group of their own, with its output in a log file."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml.error import YAMLError

from pipeline.sandbox import Sandbox

TAIL = 20_000  # bytes of a log in which an error is looked for
GRACE = 5.0  # seconds between the signal that asks and the one that kills


@dataclass(frozen=True)
class Outcome:
    """How the commands ended. error: None when all went well; seconds: of the commands alone."""

    error: str | None
    seconds: float


class Command(threading.Thread):
    """Builds the sandbox and runs the commands one after the other; then calls `done`, from its own thread."""

    def __init__(
        self,
        argv: list[tuple[str, Any]],
        sandbox: Sandbox | None,
        folder: Path,
        environment: dict[str, str],
        timeout: float | None,
        log: Path,
        note: Path,
        done: Callable[[Outcome], None],
    ) -> None:
        """argv: each command as it reads in dvc.yaml, and what runs it; folder: where, if there is no sandbox;
        timeout: seconds for all commands; note: a file that names the process group while there is one."""
        super().__init__(daemon=True)
        self._argv, self._sandbox, self._folder = argv, sandbox, folder
        self._environment, self._timeout, self.log, self._done = environment, timeout, log, done
        self._note = note
        log.unlink(missing_ok=True)  # of an earlier run
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Lock()
        self._signal: int | None = None

    def run(self) -> None:
        start, error = time.monotonic(), None
        try:
            if self._sandbox is not None:
                self._sandbox.build()
            start = time.monotonic()
            error = self._run_all(start)
        except OSError as e:
            error = f"{e.filename or self.log}: {e.strerror or e}"
        except (ValueError, SyntaxError, YAMLError) as e:  # a params file edited meanwhile, a NUL in a command
            error = str(e)
        except BaseException:
            error = "internal error"
            raise
        finally:
            self._note.unlink(missing_ok=True)
            self._done(Outcome(error, time.monotonic() - start))

    def _run_all(self, start: float) -> str | None:
        cwd = self._sandbox.wdir if self._sandbox is not None else self._folder
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            for text, argv in self._argv:
                with self._ended:
                    if self._signal is not None:
                        return "interrupted"
                    self._process = subprocess.Popen(
                        argv,
                        cwd=cwd,
                        env=self._environment,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        shell=False,
                    )
                note_group(self._note, self._process.pid)
                try:
                    left = None if self._timeout is None else max(0.0, self._timeout - (time.monotonic() - start))
                    code = self._process.wait(left)
                except subprocess.TimeoutExpired:
                    _kill(self._process.pid, signal.SIGTERM)
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(GRACE)
                    _kill(self._process.pid, signal.SIGKILL)
                    self._process.wait()
                    return f"timed out after {self._timeout:g} s: {text}"
                if self._signal is not None:
                    return "interrupted"
                if code != 0:
                    return f"exit status {code}: {text}" if code > 0 else f"killed by signal {-code}: {text}"
        return None

    def tail(self) -> str:
        """The end of what the commands printed."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            return file.read().decode("utf-8", "replace")

    def ask_to_end(self, number: int) -> None:
        """Sends the signal to the process group; no further command is started."""
        with self._ended:
            self._signal = number
            if self._process is not None:
                _kill(self._process.pid, number)

    def make_end(self, patience: float = GRACE) -> None:
        """Waits so many seconds after `ask_to_end`; what then still runs in the process group is killed."""
        if self.ident is None:  # not started: it will find that it was asked to end
            return
        self.join(max(0.0, patience))
        if self._process is not None:
            _kill(self._process.pid, signal.SIGKILL)
        self.join()


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
