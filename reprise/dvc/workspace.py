"""Holds what stages need to know of the repository that they are in."""

import os
import subprocess
from functools import cached_property
from pathlib import Path

from dvc.repo import Repo

from reprise.dvc.deps import local_items
from reprise.dvc.file_cache import FileCache
from reprise.dvc.run_cache import RunCache

LIST_IGNORED = "git ls-files --others --ignored --exclude-standard --directory -z"


class Workspace:
    """Holds a repository's folders, its run-cache, and what was read of its files."""

    def __init__(self, repo: Repo) -> None:
        """Take the folders from DVC; everything else is read when it is needed."""
        self._repo = repo
        self.root = Path(repo.root_dir)
        self.temporary = Path(repo.tmp_dir) / "reprise"
        self.file_cache = FileCache()
        self.run_cache = RunCache(repo)

    @cached_property
    def data(self) -> set[Path]:
        """Collect every local out, absolute: of stages and of data sources."""
        return {Path(out.fs_path) for out in local_items(self._repo.index.outs)}

    @cached_property
    def ignored(self) -> set[Path]:
        """Collect the files and folders that git ignores, absolute; none where there is no git."""
        listing = subprocess.run(
            LIST_IGNORED.split(), cwd=self.root, capture_output=True, check=False
        ).stdout
        return {self.root / os.fsdecode(name) for name in listing.split(b"\0") if name}

    def pull(self, target: str) -> None:
        """Do `dvc pull` of a stage or a path, under the lock that is held already."""
        self._repo._lock_depth += 1  # or DVC would wait for its lock, and so for this process
        try:
            self._repo.pull(target)
        finally:
            self._repo._lock_depth -= 1
        self.file_cache.forget_all()
