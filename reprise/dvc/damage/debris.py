"""Removes what DVC was writing when its process was killed."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dvc.repo import Repo

from reprise.dvc.stage import Stage

TEMPORARY = re.compile(r"\.[\w-]{22}\.tmp")  # DVC's name of a file that it will move


def remove_debris(repo: Repo, stages: Iterable[Stage]) -> None:
    """Remove temporary files beside outs and in the cache, and empty folders of the run-cache.

    A cache elsewhere may be shared: what is in it may be another project's, at work now.
    """
    cache = Path(repo.cache.local.path)
    folders: set[Path] = set()
    for stage in stages:
        folders.update(out.parent for out in stage.outputs)
    runs: list[Path] = []
    if cache.is_relative_to(repo.root_dir):
        runs += Path(repo.stage_cache.cache_dir).glob("*/*")
        folders.update([cache, *cache.glob("*"), *runs])
    for folder in filter(Path.is_dir, folders):
        _remove_temporary(folder)
    for folder in runs:
        with suppress(OSError):  # it is not empty
            folder.rmdir()


def _remove_temporary(folder: Path) -> None:
    """Remove the files that DVC meant to move from the folder to their place."""
    for path in folder.glob(".*.tmp"):
        if TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)
