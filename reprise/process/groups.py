"""Run commands in process groups, and note these in files.

A later run can end them if this process is killed.
"""

import os
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

PRECISION = 5.0  # seconds: the kernel knows only to the second when it booted


def may_have_written(pid: int, path: Path) -> bool:
    """Tell whether a process of that number lives that may have written the file or folder.

    One that started after the last write did not: the number was another process's then. One that
    has ended, and is not waited for, does nothing any more.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        delay: float = process.create_time() - path.stat().st_mtime
        return delay < PRECISION or delay + _clock_offset(path.parent) < PRECISION
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False


def _clock_offset(folder: Path) -> float:
    """Return by how many seconds the file system's clock is ahead: a server may have another."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime - time.time()


def belongs_to_another(pid: int, path: Path) -> bool:
    """Tell whether another process of that number lives that may have written the path.

    In a container this process may have the number of a dead one.
    """
    return pid != os.getpid() and may_have_written(pid, path)


def signal_group(group: int, number: int) -> None:
    """Send the signal to the process group, if it is still there."""
    with suppress(ProcessLookupError, PermissionError):  # the number is another user's by now
        os.killpg(group, number)


class GroupProcess(subprocess.Popen[bytes]):
    """Runs a command in a process group of its own, which is all that is known to come of it.

    Where there are no guards, it takes the place of `NamespaceProcess`.
    """

    def wait_for_all(self, timeout: float) -> None:
        """Wait until the command has ended. Raises subprocess.TimeoutExpired."""
        self.wait(timeout)

    def send_signal(self, number: int) -> None:
        """Send the signal to the group."""
        signal_group(self.pid, number)

    def kill(self) -> None:
        """Kill the group."""
        signal_group(self.pid, signal.SIGKILL)

    def let_go(self) -> None:
        """Do nothing: what is left of the group goes on."""


def note_group(file: Path, pid: int) -> None:
    """Note the process group that `pid` leads, with the time at which it started."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(psutil.NoSuchProcess):
        file.write_text(f"{pid} {psutil.Process(pid).create_time()}")


def end_noted_group(file: Path) -> None:
    """Kill the process group noted in the file, if it is still the same, and remove the file."""
    with suppress(ValueError, OverflowError, OSError, psutil.NoSuchProcess):
        pid, created = file.read_text().split()
        if psutil.Process(int(pid)).create_time() == float(created):
            os.killpg(int(pid), signal.SIGKILL)
    file.unlink(missing_ok=True)
