"""Run commands in mount namespaces, by a process that starts them.

There is one such process for each process of ours that runs commands: the runner's own, or a worker
of Dask. It ends with it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reprise.process import starter

MESSAGE_SIZE = 2**16  # bytes: no reply is as long


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


class NamespaceProcess:
    """Runs a command in a namespace, and in a session of its own. Much like subprocess.Popen.

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

        mounts: in order; folder: where it runs, in the namespace; output: the descriptor for its
        stdout and stderr; stdin: DEVNULL, or None for this process's.
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
        self.returncode: int | None = None
        self.pid: int = self._receive()["pid"]

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; -N after signal N.

        Raises subprocess.TimeoutExpired, and OSError when the kernel refused the namespace or the
        command.
        """
        if self.returncode is None:
            self._reply.settimeout(timeout)
            try:
                message = self._receive()
            except TimeoutError:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0) from None
            if "error" in message:
                raise OSError(*message["error"])
            self.returncode = int(message["status"])
            self._reply.close()
        return self.returncode

    def _receive(self) -> dict[str, Any]:
        message = self._reply.recv(MESSAGE_SIZE)
        if not message:
            return {"pid": 0, "status": -signal.SIGKILL}  # somebody killed the starter
        received: dict[str, Any] = json.loads(message)
        return received


def find_obstacle(mounts: Sequence[Mount]) -> str | None:
    """Try the mounts; return why the kernel refuses them, None if it does not."""
    if sys.platform != "linux":
        return f"{sys.platform} has no mount namespaces"
    try:
        with open(os.devnull, "wb") as null:
            process = NamespaceProcess(mounts, ["true"], Path("/"), os.environ, null.fileno())
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

    def send(self, request: dict[str, Any], output: int, *, has_input: bool) -> socket.socket:
        """Ask for a command; return the socket that tells of it, a packet a message.

        has_input: the command gets the standard input of this process.
        """
        text = json.dumps(request).encode()
        reply, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, open(os.devnull, "rb") as null, self._sending:
            standard_input = 0 if has_input else null.fileno()
            descriptors = [standard_input, output, output, theirs.fileno()]
            length = len(text).to_bytes(starter.LENGTH, "big")
            socket.send_fds(self._requests, [length], descriptors)
            self._requests.sendall(text)
        return reply


@cache
def _starter() -> _Starter:
    """Return this process's starter; the first call starts it."""
    return _Starter()
