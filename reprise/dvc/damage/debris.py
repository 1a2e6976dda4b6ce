"""Removes what DVC was writing when its process was killed."""

import re
from collections.abc import Iterable
from pathlib import Path

from dvc.repo import Repo

from reprise.dvc.stage import Stage

TEMPORARY = re.compile(r"\.[\w-]{22}\.tmp")  # DVC's name of a file that it will move


def remove_debris(repo: Repo, stages: Iterable[Stage]) -> None:
    """Remove temporary files beside outs and in the cache, and empty folders of the run-cache."""
    cache = Path(repo.cache.local.path)
    run_cache = Path(repo.stage_cache.cache_dir)
    runs = list(run_cache.glob("*/*"))
    folders = {cache, *cache.glob("*"), *runs}
    for stage in stages:
        for out in stage.outputs:
            folders.add(out.parent)
    for folder in folders:
        _remove_temporary(folder)
    for folder in runs:
        if not any(folder.iterdir()):
            folder.rmdir()


def _remove_temporary(folder: Path) -> None:
    """Remove the files that DVC meant to move from the folder to their place."""
    if not folder.is_dir():
        return
    for path in folder.glob(".*.tmp"):
        if TEMPORARY.fullmatch(path.name):
            path.unlink()
