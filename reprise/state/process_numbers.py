"""Number the processes that work in a repository: one is alive as long as its number is locked.

The system's own numbers are not enough: in another container they are others.
"""

import fcntl
import itertools
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reprise.process.groups import belongs_to_another


@dataclass(frozen=True)
class _OwnNumber:
    """Holds a number of this process. The system unlocks the file with the end of the process."""

    pid: int
    number: int
    file: BinaryIO | None


_own_numbers: dict[Path, _OwnNumber] = {}  # by folder; a fork needs another


class ProcessNumbers:
    """Gives numbers to processes. Each is a file in a folder, which its process locks: flock(2).

    Where the file system has no locks, the system's numbers and the times of files have to do.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder. Nothing is made yet."""
        self._folder = folder

    def own(self) -> int:
        """Return this process's number, which no other has that is alive."""
        own = _own_numbers.get(self._folder)
        if own is None or own.pid != os.getpid():
            own = self._take()
            _own_numbers[self._folder] = own
        return own.number

    def _take(self) -> _OwnNumber:
        self._folder.mkdir(parents=True, exist_ok=True)
        pid = os.getpid()
        for number in itertools.count(pid):
            try:
                file = _lock(self._folder / str(number))
            except OSError:
                return _OwnNumber(pid, pid, None)
            if file is not None:
                return _OwnNumber(pid, number, file)
        raise AssertionError("unreachable")

    def is_of_another(self, number: int, path: Path) -> bool:
        """Tell whether another process, which is alive, has the number and so made the path."""
        own = _own_numbers.get(self._folder)
        if own is not None and own.number == number:
            return False
        file = self._folder / str(number)
        with suppress(OSError):
            if file.exists():
                locked = _lock(file)
                if locked is None:
                    return True
                file.unlink()
                locked.close()
        return belongs_to_another(number, path)


def _lock(path: Path) -> BinaryIO | None:
    """Lock the file; None where another process has it. Raises OSError where there are no locks."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass  # another process has it, or has just removed it
    file.close()
    return None
