"""Run a stage's commands, each in a process group of its own, with their output in a log file."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

from ruamel.yaml.error import YAMLError

from reprise.described import DescribedEnum
from reprise.process.groups import GroupProcess, note_group
from reprise.process.namespace import Mount, NamespaceProcess

GRACE = 5.0  # seconds between the signal that asks and the one that kills
# What a user can cause: a params file edited meanwhile, a NUL in a command, a full disk or memory.
FAULTS = (OSError, ValueError, SyntaxError, YAMLError, MemoryError, RecursionError)

Process: TypeAlias = GroupProcess | NamespaceProcess
# Many ignore SIGHUP, or take it for a wish to read their settings anew.
PASSED_ON: dict[int, int] = {signal.SIGHUP: signal.SIGTERM}
HAS_GUARDS = sys.platform == "linux"


@dataclass(frozen=True)
class Job:
    """Holds the commands of a stage as plain values: another process may run them.

    argv: each command as it reads in dvc.yaml, and the arguments of the process that runs it.
    timeout: seconds for all of them together. mounts: those of the namespace in which the commands
    run, each in one of its own; none: in that of this process. reads_stdin: they get the standard
    input.
    """

    argv: list[tuple[str, Any]]
    environment: dict[str, str]
    timeout: float | None
    log: Path
    mounts: Sequence[Mount] = ()
    reads_stdin: bool = False


class JobEnd(DescribedEnum):
    """Names the ways in which a job can end."""

    SUCCEEDED = "succeeded", "all commands exited with 0"
    FAILED = "failed", "a command exited with another status than 0, or could not be started"
    KILLED = "killed", "a signal that was not ours killed a command"
    TIMED_OUT = "timed out", "the commands took longer than the stage's timeout"
    INTERRUPTED = "interrupted", "the run was interrupted"
    LOST = "lost", "the process that ran the command ended"


@dataclass(frozen=True)
class JobResult:
    """Holds how a job ended.

    error: why it did not succeed, None if it did. seconds: the time that its commands took.
    """

    end: JobEnd
    error: str | None
    seconds: float


class Execution(Protocol):
    """Runs the processes of one job, here or elsewhere."""

    def run(self, folder: Path, note: Path) -> JobResult:
        """Run the job in the folder.

        note: a file that names the process group while there is one.
        """

    def interrupt(self, number: int) -> None:
        """Send the signal to the command; no further one is started."""

    def kill(self) -> None:
        """End what still runs of the command, and `run` with it."""


class _Stopped(Exception):  # noqa: N818
    """Raised when a job does not go on. Never leaves this file."""

    def __init__(self, end: JobEnd, error: str) -> None:
        super().__init__(error)
        self.end = end
        self.error = error


class LocalExecution:
    """Runs the commands as child processes of this process, one after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: Process | None = None
        self._starting = threading.Lock()  # held while a process starts, and while one is signalled
        self._signal: int | None = None

    def run(self, folder: Path, note: Path) -> JobResult:
        """Run the job in the folder.

        note: a file that names the process group while there is one.
        """
        start = time.monotonic()
        end = JobEnd.SUCCEEDED
        error = None
        try:
            self._run_all(folder, note)
        except _Stopped as stopped:
            end = stopped.end
            error = stopped.error
        except FAULTS as fault:
            end = JobEnd.FAILED
            error = describe_fault(fault, self._job.log)
        finally:
            note.unlink(missing_ok=True)
        return JobResult(end, error, time.monotonic() - start)

    def _run_all(self, folder: Path, note: Path) -> None:
        """Run all commands. Raises _Stopped at the first that does not succeed."""
        deadline = None
        if self._job.timeout is not None:
            deadline = time.monotonic() + self._job.timeout
        self._job.log.parent.mkdir(parents=True, exist_ok=True)
        with self._job.log.open("wb") as log:
            for text, argv in self._job.argv:
                with self._start(argv, folder, log) as process:
                    note_group(note, process.pid)
                    status = self._wait(process, deadline)
                    if status is None or self._signal is not None:
                        _end(process)
                    else:
                        process.let_go()  # a server that it started goes on, as under `dvc repro`
                self._check(status, text)

    def _check(self, status: int | None, text: str) -> None:
        """Raise _Stopped if the command did not succeed. status: as returned by `_wait`."""
        if status is None:
            raise _Stopped(JobEnd.TIMED_OUT, f"timed out after {self._job.timeout:g} s: {text}")
        if self._signal is not None:
            raise _Stopped(JobEnd.INTERRUPTED, "interrupted")
        if status > 0:
            raise _Stopped(JobEnd.FAILED, f"exit status {status}: {text}")
        if status < 0:
            raise _Stopped(JobEnd.KILLED, f"killed by signal {-status}: {text}")

    def _start(self, argv: Any, folder: Path, log: IO[bytes]) -> "Process":
        with self._starting:
            if self._signal is not None:
                raise _Stopped(JobEnd.INTERRUPTED, "interrupted")
            stdin = None if self._job.reads_stdin else subprocess.DEVNULL
            environment = self._job.environment
            if HAS_GUARDS:
                self._process = NamespaceProcess(
                    self._job.mounts, argv, folder, environment, log.fileno(), stdin=stdin
                )
            else:
                self._process = GroupProcess(
                    argv,
                    cwd=folder,
                    env=environment,
                    stdin=stdin,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    shell=False,
                )
            return self._process

    @staticmethod
    def _wait(process: "Process", deadline: float | None) -> int | None:
        """Return the process's exit status; None when it was told to end at the deadline."""
        timeout = None
        if deadline is not None:
            timeout = max(0.0, deadline - time.monotonic())
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            return None

    def interrupt(self, number: int) -> None:
        """Send the signal to the command and all that came of it; no further one is started."""
        with self._starting:
            self._signal = number
            if self._process is not None:
                self._process.send_signal(PASSED_ON.get(number, number))

    def kill(self) -> None:
        """Kill the command and all that came of it."""
        if self._process is not None:
            self._process.kill()


def _end(process: Process) -> None:
    """Wait until nothing is left of a command that was told to end; kill what takes too long."""
    with suppress(subprocess.TimeoutExpired):
        process.wait_for_all(GRACE)
        return
    process.kill()
    with suppress(subprocess.TimeoutExpired):  # what runs as another user can't be killed
        process.wait_for_all(GRACE)


def describe_fault(fault: Exception, log: Path) -> str:
    """Say what one of FAULTS is about. `log`: the file that an error without a name is about."""
    if isinstance(fault, MemoryError):
        return "out of memory"
    if not isinstance(fault, OSError):
        return str(fault)
    file = fault.filename or log
    reason = fault.strerror or fault
    return f"{file}: {reason}"
