"""List the system calls that take a path, on Linux on x86-64 and 64-bit ARM."""

import platform
from enum import StrEnum
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
