"""Run commands, each in a process group of its own, which one call ends together."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Self

from reprise.process.groups import note_group, signal_group
from reprise.process.signals import after_signals

GRACE = 10.0  # seconds in which a command may end what it started; `reprise run` takes 5 at most


class Ended(Exception):  # noqa: N818
    """Raised for a command that is to start after all were ended."""


class Commands:
    """Holds the commands that run; with the end of its block, all end. For any thread."""

    def __init__(self) -> None:
        self._lock = Lock()  # held while a process starts, so that none starts after the end
        self._running: set[subprocess.Popen[str]] = set()
        self._is_ended = False

    def __enter__(self) -> Self:
        """Return the commands."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs."""
        self.end()

    @contextmanager
    def running(
        self, command: Sequence[str], folder: Path, note: Path
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a process, with its output and errors in one pipe; the block's end ends it.

        It leads a group of its own, so that an interrupt comes once. What it leaves of that group
        is killed once it has ended, and so does not keep the pipe open. note: a file that names the
        group while there is one, so that the run after a killed one can end it. Raises Ended after
        `end`.
        """
        process = self._start(command, folder)
        killing = Thread(target=_kill_what_is_left, args=(process,), daemon=True)
        try:
            with process, _ending(process):
                note_group(note, process.pid)
                killing.start()
                yield process
        finally:
            with self._lock:
                self._running.discard(process)
            note.unlink(missing_ok=True)

    def _start(self, command: Sequence[str], folder: Path) -> "subprocess.Popen[str]":
        """Start a process, and hold it. No signal comes between the two."""
        with self._lock, after_signals():
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
        return process

    def end(self) -> None:
        """End all commands, and start no others."""
        with self._lock:
            self._is_ended = True
            running = [*self._running]
        _end(running)


@contextmanager
def _ending(process: "subprocess.Popen[str]") -> Iterator[None]:
    try:
        yield
    finally:
        _end([process])


def _kill_what_is_left(process: "subprocess.Popen[str]") -> None:
    """Wait for a process, and kill what is left of its group."""
    process.wait()
    signal_group(process.pid, signal.SIGKILL)


def _end(processes: Sequence["subprocess.Popen[str]"]) -> None:
    """Ask those that run to end; kill the groups of those that do not, and what others left."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    try:
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
    finally:  # also where a second signal ends the waiting
        for process in processes:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
