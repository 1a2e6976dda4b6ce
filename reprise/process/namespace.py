"""Run commands by a process that starts them, in mount namespaces if need be.

There is one such process for each process of ours that runs commands: the runner's own, or a worker
of Dask. It ends with it.
"""

import atexit
import errno
import marshal
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from reprise.process import starter
from reprise.process.groups import signal_group

MESSAGE_SIZE = 2**16  # bytes: no reply is as long
PATIENCE = 1.0  # seconds: a starter that is told to end does so at once


@dataclass(frozen=True)
class Bind:
    """Shows a folder or file somewhere else, in a namespace."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Overlay:
    """Shows a folder somewhere else, or where it is, and takes what is written there elsewhere.

    upper: the folder for what is written; work: an empty folder beside it, for the kernel.
    """

    source: str
    target: str
    upper: str
    work: str


Mount = Bind | Overlay


def make_mount(fields: Mapping[str, Any]) -> Mount:
    """Make the mount that has these fields."""
    if "upper" in fields:
        return Overlay(**fields)
    return Bind(**fields)


class NamespaceProcess:
    """Runs a command in a session of its own, under a guard that knows all that comes of it.

    pid: its process number, which is that of its process group too.
    """

    def __init__(
        self,
        mounts: Sequence[Mount],
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: int,
        *,
        stdin: int | None = subprocess.DEVNULL,
    ) -> None:
        """Start the command. Raises ValueError for an argument that no process can be given.

        mounts: in order, in a namespace of its own; none: in that of this process. folder: where it
        runs, in that namespace; output: the descriptor for its stdout and stderr; stdin: DEVNULL,
        or None for this process's.
        """
        if any("\0" in argument for argument in argv):
            raise ValueError("embedded null byte")
        request = {
            "mounts": [asdict(mount) for mount in mounts],
            "argv": [*argv],
            "folder": str(folder),
            "environment": dict(environment),
        }
        self._reply = _starter().send(request, output, has_input=stdin is None)
        self.pid: int = self._receive()["pid"]

    def __enter__(self) -> Self:
        """Return the process. With the end of the block, what is left of it is killed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket: the guard kills what is left, unless it was told to let it go."""
        self._reply.close()

    def wait(self, timeout: float | None = None) -> int:
        """Return the command's exit status; -N after signal N. Call it once.

        Raises subprocess.TimeoutExpired, and OSError when the kernel refused the namespace or the
        command.
        """
        self._reply.settimeout(timeout)
        try:
            status: int = self._receive()["status"]
        except (TimeoutError, BlockingIOError):  # the latter where the timeout is 0
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0) from None
        except ConnectionError:
            signal_group(self.pid, signal.SIGKILL)
            raise
        return status

    def wait_for_all(self, timeout: float) -> None:
        """Wait until nothing is left of the command. Raises subprocess.TimeoutExpired."""
        self._reply.settimeout(timeout)
        try:
            while self._reply.recv(MESSAGE_SIZE):
                pass
        except (TimeoutError, BlockingIOError):
            raise subprocess.TimeoutExpired(str(self.pid), timeout) from None

    def send_signal(self, number: int) -> None:
        """Send the signal to all that came of the command. For any thread."""
        with suppress(OSError):  # nothing is left, or it was let go
            self._reply.send(bytes([number]))

    def kill(self) -> None:
        """Kill all that came of the command. For any thread."""
        with suppress(OSError):
            self._reply.shutdown(socket.SHUT_WR)

    def let_go(self) -> None:
        """Leave what is left of the command to itself, when the `with` block ends."""
        self.send_signal(starter.LEAVE)

    def _receive(self) -> dict[str, Any]:
        """Receive what the guard tells. Raises OSError; ConnectionError when the guard is gone."""
        message = self._reply.recv(MESSAGE_SIZE)
        if not message:
            raise ConnectionResetError(errno.ECONNRESET, "somebody killed its guard", "command")
        received: dict[str, Any] = marshal.loads(message)  # noqa: S302 - of our own fork
        if "error" in received:
            raise OSError(*received["error"])
        return received


def find_obstacle(mounts: Sequence[Mount]) -> str | None:
    """Try the mounts; return why the kernel refuses them, None if it does not."""
    if sys.platform != "linux":
        return f"{sys.platform} has no mount namespaces"
    try:
        with (
            open(os.devnull, "wb") as null,
            NamespaceProcess(mounts, ["true"], Path("/"), os.environ, null.fileno()) as process,
        ):
            process.wait()
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return None


class _Starter:
    """Holds the process that starts commands, and the socket that asks it to."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair()
        self._sending = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", starter.__file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
            )
        self._owner = os.getpid()
        atexit.register(self._end)

    def _end(self) -> None:
        """End the starter with its process: nothing more will be asked of it."""
        if os.getpid() != self._owner:
            return  # a fork of the process ends, which goes on
        self._requests.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # somebody stopped it, or a fork keeps its socket open
            self._process.kill()
            self._process.wait()

    def is_alive(self) -> bool:
        """Tell whether nobody has killed it."""
        return self._process.poll() is None

    def send(self, request: dict[str, Any], output: int, *, has_input: bool) -> socket.socket:
        """Ask for a command; return the socket that tells of it, a packet a message.

        has_input: the command gets the standard input of this process.
        """
        text = marshal.dumps(request)
        reply, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, open(os.devnull, "rb") as null, self._sending:
            standard_input = 0
            if not has_input:
                standard_input = null.fileno()
            descriptors = [standard_input, output, output, theirs.fileno()]
            length = len(text).to_bytes(starter.LENGTH, "big")
            socket.send_fds(self._requests, [length], descriptors)
            self._requests.sendall(text)
        return reply


_starting = threading.Lock()
_starters: list[_Starter] = []  # the last is this process's own


def _starter() -> _Starter:
    """Return this process's starter. The first call starts it, or the first after its end."""
    with _starting:
        if not _starters or not _starters[-1].is_alive():
            _starters.append(_Starter())
        return _starters[-1]
