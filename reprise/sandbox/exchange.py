"""Exchange two files or folders in one step, so that a kill can't come in between."""

import ctypes
import os
from pathlib import Path

AT_FDCWD = -100  # linux/fcntl.h: paths are relative to the working directory
RENAME_EXCHANGE = 2  # linux/fs.h

_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def exchange(one: Path, other: Path) -> bool:
    """Exchange what is at two paths: renameat2(2).

    Returns False where that can't be done: across file systems, on old ones, elsewhere than on
    Linux, and where one of the two is not there.
    """
    if _renameat2 is None:
        return False
    paths = (os.fsencode(one), os.fsencode(other))
    result: int = _renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE)
    return result == 0
