"""Tells files that were written to from those that were not, without reading them."""

import os
import time
from typing import NamedTuple, Self

from dvc.output import Output

TICK = 0.01  # seconds; of two writes within a tick, both may leave the same time


class Signature(NamedTuple):
    """Holds what the file system says of a file.

    modified, changed: the times at which its content and its inode changed, in nanoseconds.
    """

    inode: int
    size: int
    modified: int
    changed: int
    links: int
    mode: int

    @classmethod
    def of(cls, path: str) -> Self:
        """Look at a file, or at what a link leads to. Raises OSError where there is none."""
        status = os.stat(path)
        return cls(
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_nlink,
            status.st_mode,
        )

    @classmethod
    def find(cls, path: str) -> Self | None:
        """Look at a file; None where it can't be looked at."""
        try:
            return cls.of(path)
        except OSError:
            return None

    def is_same_file(self, other: "Signature") -> bool:
        """Tell whether both are of one file that was not written to in between.

        Links, modes and owners may have changed; they leave its time alone.
        """
        return self[:3] == other[:3]

    def may_hide_a_write(self, before: "Signature") -> bool:
        """Tell whether the file may have been written to, and its time set back.

        Then its inode changed, though neither a link nor the mode says why.
        """
        explained = self.links != before.links or self.mode != before.mode
        return self.changed != before.changed and not explained


Signatures = dict[str, Signature]  # of a folder's files, by name in it; of a file, under ""


def read_signatures(item: Output) -> Signatures:
    """Look at the file of a dep, or at each file of its folder that .dvcignore leaves in it.

    What can't be looked at is left out.
    """
    path = item.fs_path
    if not os.path.isdir(path):
        return _look_at({"": path})
    files = {}
    for folder, _, names in item.dvcignore.walk(item.fs, path):
        for name in names:
            file = os.path.join(folder, name)
            files[file[len(path) + 1 :]] = file
    return _look_at(files)


def _look_at(files: dict[str, str]) -> Signatures:
    signatures = {}
    for name, file in files.items():
        signature = Signature.find(file)
        if signature is not None:
            signatures[name] = signature
    return signatures


def are_same_files(before: Signatures, now: Signatures) -> bool:
    """Tell whether no file was written to, replaced, added or removed."""
    if before.keys() != now.keys():
        return False
    return all(signature.is_same_file(before[name]) for name, signature in now.items())


def read_settled_signatures(item: Output) -> Signatures:
    """Read the signatures once the files are older than a tick.

    A write after that gives a file another signature. One that is written all the time is not
    waited for.
    """
    signatures = read_signatures(item)
    newest = max((signature.modified for signature in signatures.values()), default=0)
    if outlast_tick(newest):
        return read_signatures(item)
    return signatures


def outlast_tick(modified: int) -> bool:
    """Wait until the tick of a time of modification is over. Return whether it was not."""
    age = time.time() - modified / 1e9
    if abs(age) >= TICK:
        return False
    time.sleep(TICK - min(age, 0.0))  # a whole one from now, by the file system's clock
    return True
