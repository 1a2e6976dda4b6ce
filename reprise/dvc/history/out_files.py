"""Finds the bytes of an out: in the working tree or in DVC's cache."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dvc.output import Output
from dvc_data.hashfile import load
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

# The name of each file within a dep or out, for a single file its own: where its bytes lie.
Files = dict[str, Path]


@dataclass(frozen=True)
class RecordedOut:
    """Holds an out as a revision records it.

    cache: where its bytes may lie; None for an out that git keeps; dvc: DVC's object.
    """

    hash: HashInfo
    cache: HashFileDB | None
    dvc: Output

    @property
    def is_pushed(self) -> bool:
        """Tell whether `dvc push` brings it to a remote."""
        return bool(self.hash and self.cache is not None and self.dvc.can_push)


def find_cached(out: RecordedOut, name: str) -> Files | None:
    """Find the out's files in DVC's cache; None unless all are there.

    name: of the out, for one that is a single file.
    """
    if not out.hash or out.cache is None:
        return None
    hashes = {name: out.hash.value}
    if out.hash.isdir:
        try:
            tree = load(out.cache, out.hash)
        except (FileNotFoundError, ObjectFormatError):
            return None
        assert isinstance(tree, Tree)
        hashes = {"/".join(key): hash_info.value for key, _, hash_info in tree}
    files: Files = {}
    for file, value in hashes.items():
        path = Path(out.cache.oid_to_path(value))
        if not path.exists():
            return None
        files[file] = path
    return files


def list_names(out: RecordedOut) -> Iterable[str] | None:
    """List the names of the files in an out that is a folder; None where nothing has the listing.

    The listing alone is fetched if the cache lacks it.
    """
    if out.cache is None or not out.hash.isdir:
        return None
    try:
        tree = load(out.cache, out.hash)
    except (FileNotFoundError, ObjectFormatError):
        tree = out.dvc.get_dir_cache()
    if not isinstance(tree, Tree):
        return None
    return ["/".join(key) for key, *_ in tree]


def list_files(path: Path) -> Files:
    """List the files of a folder, or the one file that it is."""
    if not path.is_dir():
        return {path.name: path}
    files: Files = {}
    for inner in sorted(path.rglob("*")):
        if inner.is_file():
            name = inner.relative_to(path).as_posix()
            files[name] = inner
    return files
