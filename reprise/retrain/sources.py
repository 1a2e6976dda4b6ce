"""Finds what stages read that git does not have, and so no commit of their results either."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from reprise.dvc import Stage
from reprise.retrain.checkout import Checkout


def find_untracked(checkout: Checkout, stages: Sequence[Stage]) -> list[Path]:
    """List the files in git's repository that stages read, and that neither git nor a stage has.

    They are what declares a stage, its params files and its deps; of a folder, the files that DVC
    counts and git does not ignore.
    """
    top = Path(os.path.normpath(checkout.root / checkout.git("rev-parse", "--show-cdup")))
    tracked = _list_files(checkout, "--cached")  # submodules, too
    others = _list_files(checkout, "--others", "--exclude-standard")
    results = _results(stages)
    found: set[Path] = set()
    for stage in stages:
        for path in _read_paths(stage):
            if not path.is_relative_to(top) or _is_in(path, results):
                continue
            if path.is_dir():
                found.update(_untracked_in(stage, path, others))
            elif path.exists() and not _is_in(path, tracked):
                found.add(path)
    return sorted(path for path in found if not _is_in(path, results))


def _list_files(checkout: Checkout, *options: str) -> set[Path]:
    """List files by `git ls-files`, in all of git's repository."""
    # Each name follows a letter and a space: git() strips what it returns.
    entries = checkout.git("ls-files", "-z", "-t", *options, "--", ":/").split("\0")
    return {Path(os.path.normpath(checkout.root / entry[2:])) for entry in entries if entry}


def _results(stages: Sequence[Stage]) -> set[Path]:
    """Collect what stages write, and what DVC leaves to git of it."""
    results: set[Path] = set()
    for stage in stages:
        results.update(stage.outputs, stage.kept_by_git)
    return results


def _read_paths(stage: Stage) -> Iterator[Path]:
    yield stage.declared_in
    yield from stage.params
    yield from map(Path, stage.dep_paths)


def _untracked_in(stage: Stage, folder: Path, others: set[Path]) -> set[Path]:
    """Pick the files of a folder dep that count."""
    inside = {path for path in others if folder in path.parents}
    if not inside:
        return inside
    return inside.intersection(stage.files(folder))


def _is_in(path: Path, paths: set[Path]) -> bool:
    """Tell whether a path is one of the paths, or lies in one."""
    return not paths.isdisjoint({path, *path.parents})
