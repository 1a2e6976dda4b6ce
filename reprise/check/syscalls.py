"""Hears of every path that a command asks the kernel for, before the kernel looks (Linux, x86-64 and 64-bit ARM).

The command runs under a seccomp filter that hands such calls to this process, which reads the path and lets the call
go on: seccomp_unotify(2). It needs no rights; set-user-ID programs gain none in such a command. This file is also the
script that starts the command, so it imports nothing of the project.
"""

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

# read: or execute; update: open to read and write; list: open a folder; look: stat, access, chdir, readlink
Kind = Literal["read", "update", "write", "list", "look"]

# Numbers of system calls, and what they do: from the kernel's asm/unistd.h.
CALLS = {
    "x86_64": {
        **{2: "open", 257: "openat", 437: "openat2", 59: "exec", 322: "execat"},
        **dict.fromkeys((4, 6, 21, 80, 89), "look"),  # stat, lstat, access, chdir, readlink
        **dict.fromkeys(
            (262, 267, 269, 332, 439), "lookat"
        ),  # newfstatat, readlinkat, faccessat, statx, faccessat2
    },
    "aarch64": {
        **{56: "openat", 437: "openat2", 221: "exec", 281: "execat", 49: "look"},
        **dict.fromkeys((79, 78, 48, 291, 439), "lookat"),
    },
}
MACHINE = platform.machine()
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
SECCOMP = {"x86_64": 317, "aarch64": 277}
SET_MODE_FILTER, NEW_LISTENER, WAIT_KILLABLE = 1, 8, 32  # linux/seccomp.h
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
RECEIVE, SEND, CONTINUE = 0xC0502100, 0xC0182101, 1
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/filter.h
NO_NEW_PRIVS = 38  # linux/prctl.h
NOTICE = struct.Struct(
    "=QII iIQ 6Q"
)  # id, pid, flags; number, architecture, instruction; arguments
HERE = ctypes.c_uint32(-100).value  # AT_FDCWD: relative to the working directory


class Trace:
    """`heard` is told of each path, absolute, while the call waits, from a thread of the trace's own.

    refused: why the kernel lets nobody hear of the calls, if it said so to a command that was started.
    """

    def __init__(self, heard: Callable[[Kind, str], None]) -> None:
        self.refused = (
            None if MACHINE in CALLS and sys.platform == "linux" else f"{sys.platform} on {MACHINE}"
        )
        self._heard = heard
        self._folder = tempfile.TemporaryDirectory(prefix="reprise-")
        self._socket = str(Path(self._folder.name, "socket"))
        self._thread = ThreadPoolExecutor(1)
        self._stop, self._stopped = socket.socketpair()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self._socket)
        self._server.listen()

    def __enter__(self) -> "Trace":
        self._served = self._thread.submit(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.close()
        self._thread.shutdown()
        self._folder.cleanup()
        self._served.result()  # raises what went wrong in the thread

    def argv(self, command: Sequence[str]) -> list[str]:
        """What starts the command so that it is traced."""
        return (
            [*command]
            if self.refused
            else [sys.executable, "-I", "-S", __file__, self._socket, *command]
        )

    def _serve(self) -> None:
        listeners = set[int]()
        with self._server, self._stopped:
            try:
                self._listen(listeners)
            finally:
                for listener in listeners:
                    os.close(listener)  # the calls of processes that are left fail

    def _listen(self, listeners: set[int]) -> None:
        poll = select.poll()
        poll.register(self._server, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        while True:
            for file, event in poll.poll():
                if file == self._stopped.fileno():
                    return
                if file == self._server.fileno():
                    for listener in self._greet():
                        poll.register(listener, select.POLLIN)
                        listeners.add(listener)
                elif event & select.POLLIN:
                    self._answer(file)
                elif event & select.POLLHUP:  # all its processes are gone
                    poll.unregister(file)
                    listeners.remove(file)
                    os.close(file)

    def _greet(self) -> list[int]:
        """A command that starts: what it lets us hear by."""
        with self._server.accept()[0] as connection:
            refused, listeners, *_ = socket.recv_fds(connection, 200, 1)
        self.refused = refused.decode().strip() or self.refused
        return listeners

    def _answer(self, listener: int) -> None:
        """One call: tells of it and lets it go on."""
        notice = bytearray(NOTICE.size)
        with suppress(FileNotFoundError):  # the process was killed, or interrupted in the call
            fcntl.ioctl(listener, RECEIVE, notice)
            number, pid, _, call, _, _, *arguments = NOTICE.unpack(notice)
            try:
                asked = _asked(CALLS[MACHINE][call], pid, arguments)
                if asked is not None:
                    self._heard(*asked)
            finally:
                fcntl.ioctl(listener, SEND, bytearray(struct.pack("=QqiI", number, 0, 0, CONTINUE)))


def _asked(call: str, pid: int, arguments: list[int]) -> tuple[Kind, str] | None:
    """What kind of call, and the absolute path; None where there is no telling."""
    at = call.endswith("at") or call == "openat2"
    folder, address, flags = (arguments[0] if at else HERE, *arguments[at : at + 2])
    try:
        path = os.fsdecode(_read(pid, address, 4096).partition(b"\0")[0])
        if not path.startswith("/"):
            where = "cwd" if folder & 0xFFFFFFFF == HERE else f"fd/{folder}"
            path = os.path.join(os.readlink(f"/proc/{pid}/{where}"), path) if path else ""
        if call == "openat2":
            flags = int.from_bytes(_read(pid, flags, 8), "little")
    except OSError:  # it is gone, or of another user
        return None
    return (_kind(call, flags), os.path.normpath(path)) if path else None


def _read(pid: int, address: int, size: int) -> bytes:
    """Of the memory of a process, up to where it ends."""
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        return os.pread(memory, size, address)
    finally:
        os.close(memory)


def _kind(call: str, flags: int) -> Kind:
    if call.startswith("exec"):
        return "read"
    if not call.startswith("open"):
        return "look"
    if flags & os.O_DIRECTORY:
        return "list"
    if flags & os.O_ACCMODE == os.O_RDONLY:
        return "read"
    return "update" if flags & os.O_RDWR and not flags & (os.O_TRUNC | os.O_APPEND) else "write"


# In the process that becomes the command.


def _filtered() -> int:
    """Puts this process and its children under the filter. Returns what hears of the calls; OSError if refused."""
    calls = CALLS[MACHINE]
    program = [
        (LOAD, 0, 0, 4),
        (JUMP_IF_EQUAL, 1, 0, ARCHITECTURES[MACHINE]),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, 0),
    ]
    program += [(JUMP_IF_EQUAL, len(calls) - i, 0, call) for i, call in enumerate(calls)]
    program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, NOTIFY)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    argument = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    for flags in (NEW_LISTENER | WAIT_KILLABLE, NEW_LISTENER):  # before Linux 5.19
        listener: int = libc.syscall(SECCOMP[MACHINE], SET_MODE_FILTER, flags, argument)
        if listener >= 0:
            return listener
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _main(place: str, *command: str) -> None:
    """Becomes the command, traced if the kernel allows it, in the environment that was given: Python may add to it."""
    given = Path("/proc/self/environ").read_bytes().split(b"\0")
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(place)
    try:
        socket.send_fds(connection, [b" "], [_filtered()])
    except OSError as e:
        connection.send(f"seccomp: {e.strerror}".encode())
    os.execvpe(command[0], command, dict(pair.split(b"=", 1) for pair in given if b"=" in pair))  # noqa: S606


if __name__ == "__main__":
    _main(*sys.argv[1:])
