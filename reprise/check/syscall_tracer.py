"""Trace every path that a command asks the kernel for, before the kernel looks.

The filter under which the command runs hands such calls to this process, which reads the path in
the command's memory and lets the call go on: seccomp_unotify(2).
"""

import fcntl
import inspect
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

from reprise.check import syscall_filter
from reprise.check.syscalls import CALLS, MACHINE, Access, Call

RECEIVE, SEND, CONTINUE = 0xC0502100, 0xC0182101, 1  # linux/seccomp.h
NOTICE = struct.Struct("=QII iIQ 6Q")  # id, pid, flags; call, architecture, instruction; arguments
ANSWER = struct.Struct("=QqiI")  # id, value, error, flags
WORKING_FOLDER = 2**32 - 100  # AT_FDCWD, in place of a folder's descriptor: linux/fcntl.h
LONGEST_FOLDER = 70  # bytes: a socket's path may have 107
LONGEST_PATH = 4096  # bytes: linux/limits.h


class SyscallTracer:
    """Tells of each access of commands, in a `with` block.

    refused: why the kernel does not let us trace; None until it says so to a command that starts.
    """

    def __init__(self, on_access: Callable[[Access, str], None]) -> None:
        """Prepare to trace.

        on_access: called in another thread with each access and its absolute path, while the
        command waits. What it raises ends the `with` block.
        """
        self.refused: str | None = None
        if MACHINE not in CALLS or sys.platform != "linux":
            self.refused = f"{sys.platform} on {MACHINE}"
        self._on_access = on_access
        folder = tempfile.gettempdir()
        if len(os.fsencode(folder)) > LONGEST_FOLDER:
            folder = "/tmp"  # noqa: S108
        self._folder = tempfile.TemporaryDirectory(prefix="reprise-", dir=folder)
        self._address = str(Path(self._folder.name, "socket"))
        self._thread = ThreadPoolExecutor(1)
        self._stop, self._stopped = socket.socketpair()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self._address)
        self._server.listen()
        self._poll = select.poll()
        self._listeners = set[int]()  # file descriptors, one a command

    def __enter__(self) -> "SyscallTracer":
        self._serving = self._thread.submit(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        self._thread.shutdown()
        self._folder.cleanup()
        self._serving.result()  # raises what went wrong in the thread

    def argv(self, command: Sequence[str]) -> list[str]:
        """Return the command that starts the given one under the filter."""
        if self.refused:
            return [*command]
        # The command's sandbox may hide both this environment and the script's file.
        python, script = os.path.realpath(sys.executable), inspect.getsource(syscall_filter)
        calls = ",".join(map(str, CALLS[MACHINE]))
        return [python, "-I", "-S", "-c", script, self._address, calls, *command]

    def _serve(self) -> None:
        """Answer commands, in the thread, until the `with` block ends."""
        self._poll.register(self._server, select.POLLIN)
        self._poll.register(self._stopped, select.POLLIN)
        with self._server, self._stopped:
            try:
                while True:
                    for descriptor, event in self._poll.poll():
                        if descriptor == self._stopped.fileno():
                            return
                        self._handle(descriptor, event)
            finally:
                for listener in self._listeners:
                    os.close(listener)  # the calls of processes that are left fail

    def _handle(self, descriptor: int, event: int) -> None:
        """Handle one event of poll(2): a command that starts, calls or ends."""
        if descriptor == self._server.fileno():
            self._greet()
        elif event & select.POLLIN:
            self._answer(descriptor)
        elif event & select.POLLHUP:  # all processes of the command are gone
            self._poll.unregister(descriptor)
            self._listeners.remove(descriptor)
            os.close(descriptor)

    def _greet(self) -> None:
        """Take the listener of a command that starts, or the reason why it has none."""
        with self._server.accept()[0] as connection:
            message, listeners, *_ = socket.recv_fds(connection, 200, 1)
        self.refused = message.decode().strip() or self.refused
        for listener in listeners:
            self._poll.register(listener, select.POLLIN)
            self._listeners.add(listener)

    def _answer(self, listener: int) -> None:
        """Receive one call, tell of it, and let it go on."""
        notice = bytearray(NOTICE.size)
        with suppress(FileNotFoundError):  # the process was killed, or interrupted in the call
            fcntl.ioctl(listener, RECEIVE, notice)
            id_, pid, _, number, _, _, *arguments = NOTICE.unpack(notice)
            try:
                call = CALLS[MACHINE][number]
                path, flags = _read_arguments(call, pid, arguments)
                if path:
                    self._on_access(call.access or _access_of(flags), os.path.normpath(path))
            finally:
                fcntl.ioctl(listener, SEND, bytearray(ANSWER.pack(id_, 0, 0, CONTINUE)))


@cache
def find_obstacle() -> str | None:
    """Try to trace a command; return why the kernel does not let us, None if it does."""
    with SyscallTracer(lambda *_: None) as tracer:
        subprocess.run(tracer.argv(["true"]), stdin=subprocess.DEVNULL, check=True)
    return tracer.refused


def _read_arguments(call: Call, pid: int, arguments: list[int]) -> tuple[str, int]:
    """Read the path and the flags of a call.

    The path is absolute, or empty where the call has none or it can't be read.
    """
    folder = WORKING_FOLDER
    if call.has_folder:
        folder, *arguments = arguments
    address, flags, *_ = arguments
    try:
        path = os.fsdecode(_read_memory(pid, address, LONGEST_PATH).partition(b"\0")[0])
        if path and not path.startswith("/"):
            path = os.path.join(_read_folder(pid, folder), path)
        if call.has_struct:
            flags = int.from_bytes(_read_memory(pid, flags, 8), "little")
    except OSError:  # the process is gone, or of another user
        return "", 0
    return path, flags


def _read_folder(pid: int, descriptor: int) -> str:
    """Return the path of a process's open folder, or of its working folder."""
    if descriptor & 0xFFFFFFFF == WORKING_FOLDER:
        return os.readlink(f"/proc/{pid}/cwd")
    return os.readlink(f"/proc/{pid}/fd/{descriptor}")


def _read_memory(pid: int, address: int, size: int) -> bytes:
    """Read the memory of a process; fewer bytes where it ends before."""
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        return os.pread(memory, size, address)
    finally:
        os.close(memory)


def _access_of(flags: int) -> Access:
    """Tell for what a file is opened with the flags of open(2)."""
    if flags & os.O_DIRECTORY:
        return Access.LIST
    match flags & os.O_ACCMODE:
        case os.O_RDONLY:
            return Access.READ
        case os.O_RDWR if not flags & (os.O_TRUNC | os.O_APPEND):
            return Access.UPDATE
    return Access.WRITE
