"""Makes a copy of a revision aside, with its own workspace and the same cache and remotes."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.config import Config
from dvc.repo import Repo
from dvc.utils.serialize import LOADERS, MODIFIERS

from reprise.dvc.exceptions import dvc_boundary
from reprise.errors import PipelineError
from reprise.git import git, is_behind_link, list_files


def copy_revision(folder: Path, commit: str | None, data: Sequence[str] = ()) -> Path:
    """Copy the repository around the current folder; return the DVC root of the copy.

    folder: to make; commit: None copies the working tree as it is, without what git ignores; data:
    tracked paths, relative to the root, that are brought from the cache, which both share, as far
    as it has them.
    """
    with Repo(_wait_for_lock=False) as repo:
        top = Path(git("rev-parse", "--show-toplevel", folder=Path(repo.root_dir)))
        _share_history(top, folder)
        if commit is None:
            _copy_files(top, folder)
        else:
            no_hooks = ("-c", f"core.hooksPath={os.devnull}")
            git(*no_hooks, "checkout", "--quiet", "--force", "--detach", commit, folder=folder)
        root = folder / Path(repo.root_dir).relative_to(top)
        _configure(root, repo)
    if data:
        with dvc_boundary(), Repo(str(root)) as copy:
            copy.checkout([str(root / path) for path in data], allow_missing=True)
    return root


def _share_history(top: Path, folder: Path) -> None:
    """Make a git repository that has all commits of the other, a shallow one too, and no files.

    Its HEAD and index are those of the other's HEAD, if that has a commit.
    """
    kind = git("rev-parse", "--show-object-format", folder=top)
    options = ("--quiet", "--template=", f"--object-format={kind}")  # no hooks of the user
    git("init", *options, "--", str(folder), folder=top)
    known = folder / ".git"
    (known / "objects" / "info").mkdir(exist_ok=True)
    (known / "objects" / "info" / "alternates").write_text(f"{_git_path(top, 'objects')}\n")
    shallow = _git_path(top, "shallow")
    if shallow.exists():
        shutil.copy(shallow, known / "shallow")
    try:
        head = git("rev-parse", "--verify", "HEAD^{commit}", folder=top)
    except PipelineError:  # nothing was committed yet
        return
    git("update-ref", "--no-deref", "HEAD", head, folder=folder)
    git("read-tree", "HEAD", folder=folder)


def _git_path(top: Path, name: str) -> Path:
    return top / git("rev-parse", "--git-path", name, folder=top)


def _copy_files(top: Path, folder: Path) -> None:
    """Copy the files of the working tree that git does not ignore. Links stay links."""
    for name in list_files(top):
        source, target = top / name, folder / name
        if not _is_file(top, name):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


def _is_file(top: Path, name: str) -> bool:
    """Tell whether a name that git lists is a file or a link by now.

    Else it is gone, a submodule, or lies where a link leads that was a folder before.
    """
    path = top / name
    if is_behind_link(top, name):
        return False
    return path.is_symlink() or path.is_file()


def _configure(root: Path, repo: Repo) -> None:
    """Have the copy share cache and remotes; what DVC remembers of its files goes with it."""
    config = Config(str(root / ".dvc"), validate=False)
    with config.edit("local") as local:
        # Its links, and who may write to it, are as this repository has them, whatever it had then.
        directory = os.path.abspath(repo.cache.local_cache_dir)
        local["cache"] = {**repo.config["cache"], "dir": directory}
        local["core"] = {"site_cache_dir": str(root / ".dvc" / "tmp" / "site")}
        local["remote"] = {name: dict(keys) for name, keys in repo.config["remote"].items()}
        if repo.config["core"].get("remote"):
            local["core"]["remote"] = repo.config["core"]["remote"]


def read_param(file: Path, key: str) -> Any:
    """Read the value of a dotted key. Raises PipelineError where the file has none."""
    values: Any = LOADERS[file.suffix](str(file))
    for step in key.split("."):
        if not isinstance(values, dict) or step not in values:
            raise PipelineError(f"{file.name}: {key}: found no such key; expected a whole number")
        values = values[step]
    return values


@contextmanager
def changed_param(file: Path, key: str, value: Any) -> Iterator[None]:
    """Have the file say another value under a dotted key that it has, until the block ends."""
    before = file.read_bytes()
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    *sections, last = key.split(".")
    try:
        with MODIFIERS[file.suffix](str(file)) as values:
            for section in sections:
                values = values[section]
            values[last] = value
        yield
    finally:
        file.write_bytes(before)
        os.utime(file, ns=times)
