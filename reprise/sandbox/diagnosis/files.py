"""Find the files that a word means, where the workspace has them and the sandbox hasn't."""

import os
import re
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from reprise.sandbox.diagnosis.failure import Failure
from reprise.sandbox.undeclared import Undeclared

GLOB_CHARACTERS = re.compile(r"[*?[]")
URL_PARTS = re.compile(r"^file:(?://)?|\?\w+=.*$")  # around the path of `file:lite.db?mode=ro`


def is_pattern(word: str) -> bool:
    """Tell whether the word is a pattern of file names, as `data/*.csv` is."""
    return GLOB_CHARACTERS.search(word) is not None


def find_files(failure: Failure, word: str, more_folders: Iterable[Path] = ()) -> list[Undeclared]:
    """Return the file or folder that the word names, or those that it matches as a pattern.

    A relative path starts in one of the failure's working folders or of `more_folders`. The first
    of them counts in which the workspace has something that the sandbox lacks. Where it lacks all
    folders in which a pattern matches, the folders are the inputs, not the files in them.

    word: from a message or from code; it may be a URL, an absolute path in the sandbox, or
    anything else. more_folders: folders of the workspace.
    """
    path = URL_PARTS.sub("", word)
    if not path.strip("./") or "\0" in path:
        return []
    lacks = failure.sandbox.lacks
    for folder in [*failure.working_folders, *more_folders]:
        missing = list(filter(lacks, _workspace_paths(failure, folder, path)))
        if not missing:
            continue
        parents = sorted({file.parent for file in missing})
        if is_pattern(path) and all(map(lacks, parents)):
            missing = parents
        return [failure.sandbox.undeclared(file) for file in missing]
    return []


def _workspace_paths(failure: Failure, folder: Path, word: str) -> list[Path]:
    """Return the workspace's paths for what a command in the sandbox means by the word.

    folder: the folder of the workspace for the one of the sandbox in which the command runs.
    """
    position = failure.sandbox.counterpart(folder)
    target = Path(os.path.normpath(position / word))
    if os.path.isabs(word) and not target.is_relative_to(failure.sandbox.ground):
        return []
    # The way from folder to file is the same in both; `../` may lead out of the sandbox.
    path = os.path.normpath(folder / os.path.relpath(target, position))
    if is_pattern(word):
        return [Path(match) for match in glob(path, recursive=True)]
    return [Path(path)]
