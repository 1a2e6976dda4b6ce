"""Makes a copy of a revision aside, with its own workspace and the same cache and remotes."""

import os
import shutil
from pathlib import Path
from typing import Any

from dvc.config import Config
from dvc.repo import Repo
from dvc.utils.serialize import LOADERS, MODIFIERS

from reprise.errors import PipelineError
from reprise.git import git


def copy_revision(folder: Path, commit: str | None) -> Path:
    """Copy the repository around the current folder; return the DVC root of the copy.

    folder: to make; commit: None copies the working tree as it is, without what git ignores. Data
    are not copied: the cache is that of the repository.
    """
    with Repo(_wait_for_lock=False) as repo:
        top = Path(git("rev-parse", "--show-toplevel", folder=Path(repo.root_dir)))
        git(
            "clone", "--quiet", "--shared", "--no-checkout", "--", str(top), str(folder), folder=top
        )
        git("checkout", "--quiet", "--detach", commit or "HEAD", folder=folder)
        if commit is None:
            _copy_changes(top, folder)
        root = folder / Path(repo.root_dir).relative_to(top)
        config = Config(str(root / ".dvc"), validate=False)
        with config.edit("local") as local:
            local["cache"] = {"dir": os.path.abspath(repo.cache.local_cache_dir)}
            local["remote"] = {name: dict(keys) for name, keys in repo.config["remote"].items()}
            if repo.config["core"].get("remote"):
                local["core"] = {"remote": repo.config["core"]["remote"]}
    return root


def _copy_changes(top: Path, folder: Path) -> None:
    """Bring the copy of HEAD to the state of the working tree."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=top)
    names = [name for name in listed.split("\0") if name]
    for name in names:  # all of them first: a file may have become a folder, or a folder a file
        _remove(folder, folder / name)
    for name in names:
        source, target = top / name, folder / name
        if _is_folder(source) or not os.path.lexists(source):
            continue
        if _is_folder(target):  # which has nothing left of what git knows
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(folder: Path, path: Path) -> None:
    """Remove a file or link in the folder, and what is no folder on the way there.

    The way first: a link on it would lead out of the folder. The folder of a submodule stays.
    """
    for above in [*reversed(path.relative_to(folder).parents)][1:]:
        if os.path.lexists(folder / above) and not _is_folder(folder / above):
            (folder / above).unlink()
    if os.path.lexists(path) and not _is_folder(path):
        path.unlink()


def read_param(file: Path, key: str) -> Any:
    """Read the value of a dotted key. Raises PipelineError where the file has none."""
    values: Any = LOADERS[file.suffix](str(file))
    for step in key.split("."):
        if not isinstance(values, dict) or step not in values:
            raise PipelineError(f"{file.name}: {key}: found no such key; expected a whole number")
        values = values[step]
    return values


def write_param(file: Path, key: str, value: Any) -> None:
    """Put a value under a dotted key that the file has; the rest stays as it is."""
    *sections, last = key.split(".")
    with MODIFIERS[file.suffix](str(file)) as values:
        for section in sections:
            values = values[section]
        values[last] = value
