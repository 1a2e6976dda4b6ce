"""Run commands, each in a process group of its own, which one call ends together."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from reprise.process.groups import note_group, signal_group

GRACE = 10.0  # seconds in which a command may end what it started; `reprise run` takes 5 at most


class Ended(Exception):  # noqa: N818
    """Raised for a command that is to start after all were ended."""


class Commands:
    """Holds the commands that run. For any thread."""

    def __init__(self) -> None:
        self._lock = Lock()  # held while a process starts, so that none starts after the end
        self._running: set[subprocess.Popen[str]] = set()
        self._is_ended = False

    @contextmanager
    def running(
        self, command: Sequence[str], folder: Path, note: Path
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a process, with its output and errors in one pipe; the block's end ends it.

        It leads a group of its own, so that an interrupt comes once. note: a file that names the
        group while there is one, so that the run after a killed one can end it. Raises Ended after
        `end`.
        """
        with self._lock:
            if self._is_ended:
                raise Ended
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
            note_group(note, process.pid)
        try:
            yield process
        finally:
            _end([process])
            if process.stdout is not None:
                process.stdout.close()
            with self._lock:
                self._running.discard(process)
            note.unlink(missing_ok=True)

    def end(self) -> None:
        """End all commands, and start no others."""
        with self._lock:
            self._is_ended = True
            running = [*self._running]
        _end(running)


def _end(processes: Sequence["subprocess.Popen[str]"]) -> None:
    """Ask those that run to end, and kill the groups of those that do not."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    for process in running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        signal_group(process.pid, signal.SIGKILL)
        process.wait()
