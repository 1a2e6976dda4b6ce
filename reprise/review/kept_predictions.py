"""Keeps what old models predicted, so that no report evaluates one twice on the same rows."""

import os
import shutil
from pathlib import Path

from reprise.dvc.history.out_files import Files, list_files
from reprise.state.folders import StateFolders


class KeptPredictions:
    """Holds an out that a stage wrote with an old model, in `.dvc/tmp/reprise`.

    It goes when no report has needed it for a week.
    """

    def __init__(self, folders: StateFolders, digest: str, name: str) -> None:
        """Name the copy. digest: of all that decides the out; name: of the out's file or folder."""
        self._folders = folders
        self._folder = folders.predictions / digest
        self._name = name

    def find(self) -> Files | None:
        """Return the files that are kept; None without any."""
        if not self._folder.is_dir():
            return None
        os.utime(self._folder)
        return list_files(self._folder / self._name)

    def keep(self, out: Path) -> Files:
        """Copy what a stage wrote, and return the files of the copy."""
        self._folders.remove_old_predictions()
        part = self._folder.with_name(f"{self._folders.processes.own()}-part")
        part.mkdir(parents=True)
        copy = shutil.copytree if out.is_dir() else shutil.copy2
        copy(out, part / self._name)
        shutil.rmtree(self._folder, ignore_errors=True)
        part.replace(self._folder)
        return list_files(self._folder / self._name)
