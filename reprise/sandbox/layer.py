"""Read from the upper folder of an overlay what a command wrote, and what it deleted."""

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from reprise.sandbox.writes import is_folder

OPAQUE = "user.overlay.opaque"  # of a folder that was deleted and made anew


@dataclass(frozen=True)
class Layer:
    """Holds the folders of one overlay.

    upper: what the command wrote; lower: what it saw before; shown_at: their path in the workspace.
    """

    upper: Path
    lower: Path
    shown_at: Path

    def written(self, outs: Collection[Path]) -> Iterator[Path]:
        """Yield the files that the command made or changed, but for outs.

        A folder counts where it is new and empty.
        """
        for folder, subfolders, files in os.walk(self.upper):
            place = Path(folder).relative_to(self.upper)
            shown_at = self.shown_at / place
            subfolders[:] = [name for name in subfolders if shown_at / name not in outs]
            for name in (*files, *subfolders):
                file = Path(folder, name)
                if is_folder(file) or shown_at / name in outs:
                    continue
                if _was_written(file, self.lower / place / name):
                    yield shown_at / name
            is_empty = not subfolders and not files
            if is_empty and not (self.lower / place).is_dir():
                yield shown_at

    def deleted(self) -> Iterator[Path]:
        """Yield the files that the command deleted or moved away."""
        for folder, subfolders, files in os.walk(self.upper):
            place = Path(folder).relative_to(self.upper)
            names = {name for name in files if _is_deletion(Path(folder, name))}
            if OPAQUE in os.listxattr(folder):
                names.update(os.listdir(self.lower / place))
                names.difference_update(subfolders, files)
            for name in names:
                for file in _files(self.lower / place / name):
                    yield self.shown_at / file.relative_to(self.lower)


def _files(path: Path) -> list[Path]:
    """List the files in a folder, at any depth; the path itself if it is none."""
    files = [path]
    if not path.is_symlink():
        files += path.rglob("*")
    return [file for file in files if not stat.S_ISDIR(file.lstat().st_mode)]


def _is_deletion(file: Path) -> bool:
    """Tell whether a file is the device that an overlay leaves for what is deleted."""
    status = file.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _was_written(file: Path, before: Path) -> bool:
    """Tell whether a file in an upper folder is new, or differs from the one below it.

    An overlay copies what is opened for writing, written to or not.
    """
    if _is_deletion(file):
        return False
    if not os.path.lexists(before):
        return True
    now, old = file.lstat(), before.lstat()
    return (now.st_mode, now.st_size, now.st_mtime_ns) != (
        old.st_mode,
        old.st_size,
        old.st_mtime_ns,
    )
