"""Lend the workspace outs that it lacks, for the stages that read them, while a check runs."""

import os
import shutil
from pathlib import Path
from typing import Self

from reprise.sandbox.sandbox import Sandbox


class LentOuts:
    """Takes back, at the end, the outs that it lent: the workspace is then as it was before."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._paths: list[Path] = []  # outs, and the folders around them that were not there
        self._times: dict[Path, tuple[int, int]] = {}  # of folders that were, before

    def __enter__(self) -> Self:
        """Return the object."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was lent, and set back the times of the folders around it."""
        for path in reversed(self._paths):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for folder, times in self._times.items():
            os.utime(folder, ns=times)

    def lend(self, sandbox: Sandbox) -> None:
        """Move the outs that the workspace lacks there from a sandbox in which the stage ran."""
        for out in sandbox.stage.outputs:
            if not os.path.lexists(out):
                self._make_folder(out.parent)
                self._paths.append(out)
                shutil.move(sandbox.written(out), out)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder, and note what of it was there, with its times."""
        if folder.is_dir():
            status = folder.stat()
            self._times.setdefault(folder, (status.st_atime_ns, status.st_mtime_ns))
            return
        self._make_folder(folder.parent)
        folder.mkdir()
        self._paths.append(folder)
