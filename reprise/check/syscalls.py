"""Start a command under a filter that hands its accesses to files to another process.

The filter is seccomp's (Linux, x86-64 and 64-bit ARM). It needs no rights; set-user-ID programs
gain none in such a command. This file is also the script that starts the command, so it imports
nothing of the project.
"""

import ctypes
import os
import platform
import socket
import struct
import sys
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class Access(StrEnum):
    """Names what a command does with a path."""

    READ = "read"
    UPDATE = "update"
    WRITE = "write"
    LIST = "list"
    LOOK = "look"

    @property
    def description(self) -> str:
        """Say what the access is."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Access.READ: "opens the file to read it, or executes it",
    Access.UPDATE: "opens the file to read and to write it",
    Access.WRITE: "opens the file to write or to append to it",
    Access.LIST: "opens the folder",
    Access.LOOK: "asks whether it is there, or what it is: stat, access, chdir, readlink",
}


class Call(NamedTuple):
    """Tells how to read the arguments of a system call.

    access: None where the call's flags tell; has_folder: before the path comes the descriptor of
    the folder in which a relative path starts; has_struct: in place of flags comes the address of
    a struct that begins with them.
    """

    access: Access | None
    has_folder: bool = False
    has_struct: bool = False


OPEN, OPENAT = Call(None), Call(None, has_folder=True)
OPENAT2 = Call(None, has_folder=True, has_struct=True)
EXEC, EXECAT = Call(Access.READ), Call(Access.READ, has_folder=True)
LOOK, LOOKAT = Call(Access.LOOK), Call(Access.LOOK, has_folder=True)

CALLS = {  # by number: the kernel's asm/unistd.h
    "x86_64": {
        2: OPEN,
        257: OPENAT,
        437: OPENAT2,
        59: EXEC,
        322: EXECAT,
        4: LOOK,  # stat
        6: LOOK,  # lstat
        21: LOOK,  # access
        80: LOOK,  # chdir
        89: LOOK,  # readlink
        262: LOOKAT,  # newfstatat
        267: LOOKAT,  # readlinkat
        269: LOOKAT,  # faccessat
        332: LOOKAT,  # statx
        439: LOOKAT,  # faccessat2
    },
    "aarch64": {
        56: OPENAT,
        437: OPENAT2,
        221: EXEC,
        281: EXECAT,
        49: LOOK,  # chdir
        79: LOOKAT,  # newfstatat
        78: LOOKAT,  # readlinkat
        48: LOOKAT,  # faccessat
        291: LOOKAT,  # statx
        439: LOOKAT,  # faccessat2
    },
}
MACHINE = platform.machine()
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
SECCOMP = {"x86_64": 317, "aarch64": 277}
SET_MODE_FILTER, NEW_LISTENER, WAIT_KILLABLE = 1, 8, 32  # linux/seccomp.h
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/filter.h
CALL_NUMBER, ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
NO_NEW_PRIVS = 38  # linux/prctl.h


def _install_filter() -> int:
    """Put this process and its children under the filter.

    The filter is a program of struct sock_filter (code, jump if true, jump if false, operand). It
    allows every call but those of CALLS, of which the listener is to be told. Returns the
    listener's descriptor. Raises OSError if the kernel refuses: seccomp(2).
    """
    calls = CALLS[MACHINE]
    program = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 1, 0, ARCHITECTURES[MACHINE]),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, CALL_NUMBER),
    ]
    for position, number in enumerate(calls):
        program.append((JUMP_IF_EQUAL, len(calls) - position, 0, number))  # to the last line
    program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, NOTIFY)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    argument = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    for flags in (NEW_LISTENER | WAIT_KILLABLE, NEW_LISTENER):  # before Linux 5.19
        listener: int = libc.syscall(SECCOMP[MACHINE], SET_MODE_FILTER, flags, argument)
        if listener >= 0:
            return listener
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _main(address: str, *command: str) -> None:
    """Become the command, under the filter if the kernel allows it.

    address: of the socket on which the tracer waits for the listener, or for the reason why there
    is none. The command's environment is the one that this process was given: to os.environ,
    Python may have added.
    """
    variables = Path("/proc/self/environ").read_bytes().split(b"\0")
    environment = dict(pair.split(b"=", 1) for pair in variables if b"=" in pair)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    try:
        socket.send_fds(connection, [b" "], [_install_filter()])
    except OSError as error:
        connection.send(f"seccomp: {error.strerror}".encode())
    os.execvpe(command[0], command, environment)  # noqa: S606


if __name__ == "__main__":
    _main(*sys.argv[1:])
