"""Start a command under a filter that hands its accesses to files to another process.

The filter is seccomp's (Linux, x86-64 and 64-bit ARM). It needs no rights; set-user-ID programs
gain none in such a command. This file is the script that starts the command: each command waits
for it, so it imports little, and nothing of the project.
"""

import ctypes
import os
import socket
import struct
import sys

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
SECCOMP = {"x86_64": 317, "aarch64": 277}
SET_MODE_FILTER, NEW_LISTENER, WAIT_KILLABLE = 1, 8, 32  # linux/seccomp.h
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/filter.h
CALL_NUMBER, ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
NO_NEW_PRIVS = 38  # linux/prctl.h
SIGPIPE, SIGXFSZ, SIG_DFL = 13, 25, 0  # asm/signal.h; the module signal takes long to import

libc = ctypes.CDLL(None, use_errno=True)


def _install_filter(calls: list[int]) -> int:
    """Put this process and its children under the filter.

    The filter is a program of struct sock_filter (code, jump if true, jump if false, operand). It
    allows every call but `calls`, of which the listener is to be told. Returns the listener's
    descriptor. Raises OSError if the kernel refuses: seccomp(2).
    """
    machine = os.uname().machine
    program = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, CALL_NUMBER),
    ]
    for position, number in enumerate(calls):
        program.append((JUMP_IF_EQUAL, len(calls) - position, 0, number))  # to the last line
    program += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, NOTIFY)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    argument = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    for flags in (NEW_LISTENER | WAIT_KILLABLE, NEW_LISTENER):  # before Linux 5.19
        listener: int = libc.syscall(SECCOMP[machine], SET_MODE_FILTER, flags, argument)
        if listener >= 0:
            return listener
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _main(address: str, calls: str, *command: str) -> None:
    """Become the command, under the filter if the kernel allows it.

    address: of the socket on which the tracer waits for the listener, or for the reason why there
    is none; calls: the numbers of system calls, with commas. The command's environment is the one
    that this process was given: to os.environ, Python may have added.
    """
    with open("/proc/self/environ", "rb") as file:
        variables = file.read().split(b"\0")
    environment = dict(pair.split(b"=", 1) for pair in variables if b"=" in pair)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    try:
        socket.send_fds(connection, [b" "], [_install_filter([*map(int, calls.split(","))])])
    except OSError as error:
        connection.send(f"seccomp: {error.strerror}".encode())
    libc.signal(SIGPIPE, SIG_DFL)  # which Python ignores
    libc.signal(SIGXFSZ, SIG_DFL)
    os.execvpe(command[0], command, environment)  # noqa: S606


if __name__ == "__main__":
    _main(*sys.argv[1:])
