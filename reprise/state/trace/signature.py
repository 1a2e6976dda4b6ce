"""Tell from what the file system says of a path whether it moved, without reading it."""

import os
import stat
import zlib
from collections.abc import Mapping

TICK = 0.01  # seconds; of two writes within a tick, both may leave the same time
WHOLE_SECONDS = 2.0  # the tick of a file system that keeps no fractions of seconds
NANO = 10**9

Signature = list[int]
LENGTH_OF_FILE = 5  # of a file that is no link: mode, inode, size, and both times

# Python's own, whatever stands in their places later.
_lstat, _stat, _listdir, _scandir = os.lstat, os.stat, os.listdir, os.scandir
# Names of files that DVC or git read for what they say.
DOTTED = (".dvc", ".git")
FILES = (".dvc", "dvc.yaml", "dvc.lock")


def find_mode(path: str) -> int:
    """Return the mode of what is at the path, which says what it is; 0 for nothing."""
    try:
        return _lstat(path).st_mode
    except (OSError, ValueError):
        return 0


def sign_walk(folder: str) -> int:
    """Sign the names in a folder that say where there may be stages; none where it can't be read.

    They are those of folders, of links, and of files that DVC or git read for what they say.
    """
    names = []
    try:
        with _scandir(folder) as entries:
            for entry in entries:
                is_plain = entry.is_file(follow_symlinks=False)
                if not is_plain or entry.name.startswith(DOTTED) or entry.name.endswith(FILES):
                    names.append(os.fsencode(entry.name))
    except OSError:
        return -1  # no checksum is
    return zlib.crc32(b"\0".join(sorted(names)))


class Look:
    """Holds how a path stands, and when it was last written to.

    signature: equal to that of another time if nothing was written to the path, nor what it leads
    to, and nothing else was put in its place. Of a folder that is not `listed`, it says only that
    it is one; of one that is, which names are in it.
    """

    def __init__(self, path: str, *, listed: bool = False) -> None:
        """Look at the path, which need not exist."""
        self.signature: Signature = []
        self._times: list[int] = []
        self._listed = listed
        try:
            status = _lstat(path)
            self._add(status)
            if stat.S_ISLNK(status.st_mode):
                self._add(_stat(path))
            if listed:
                names = sorted(map(os.fsencode, _listdir(path)))
                self.signature.append(zlib.crc32(b"\0".join(names)))
        except OSError as e:
            self.signature.append(-(e.errno or 0))
        except ValueError:  # a path with a zero byte
            self.signature.append(0)

    def _add(self, status: os.stat_result) -> None:
        self.signature.append(status.st_mode)
        is_folder = stat.S_ISDIR(status.st_mode)
        if (
            stat.S_ISREG(status.st_mode)
            or stat.S_ISLNK(status.st_mode)
            or (is_folder and self._listed)
        ):
            times = (status.st_mtime_ns, status.st_ctime_ns)
            self.signature += (status.st_ino, status.st_size, *times)
            self._times += times

    def may_be_written_since(self, start: int) -> bool:
        """Tell whether something was written after the start, or in its tick: a time in ns.

        Then another write may leave the very same times. So it is with times in the future.
        """
        return any(time + _tick(time) >= start for time in self._times)


def all_stand(signatures: Mapping[str, object], *, listed: bool = False) -> bool:
    """Tell whether all paths stand as their signatures have it."""
    for path, signature in signatures.items():
        if Look(path, listed=listed).signature != signature:
            return False
    return True


def _tick(time: int) -> int:
    """Return the length, in ns, of the tick that a file's time is of."""
    seconds = WHOLE_SECONDS
    if time % NANO:
        seconds = TICK
    return int(seconds * NANO)
