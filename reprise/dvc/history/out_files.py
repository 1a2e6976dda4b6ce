"""Finds the bytes of an out: in the working tree or in DVC's cache."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from dvc.cachemgr import LEGACY_HASH_NAMES, CacheManager
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
    """Holds an out as a revision records it, in plain values: no object of DVC is among them.

    algorithm, hash: None where nothing is recorded; is_cached: it lies in DVC's cache, not in git;
    is_pushed: `dvc push` brings it to a remote; remote: the one that it names, if it names one;
    size: bytes, None where that is not recorded.
    """

    algorithm: str | None
    hash: str | None
    is_cached: bool
    is_pushed: bool
    remote: str | None
    size: int | None = None

    @property
    def hash_info(self) -> HashInfo:
        """Return the hash as DVC takes it."""
        return HashInfo(self.algorithm, self.hash)


def record_out(out: Output) -> RecordedOut:
    """Copy what DVC's object tells: it stands for another file once DVC is switched elsewhere."""
    recorded = out.hash_info
    return RecordedOut(
        algorithm=recorded.name,
        hash=recorded.value,
        is_cached=bool(out.use_cache),
        is_pushed=bool(recorded and out.use_cache and out.can_push),
        remote=out.remote,
        size=out.meta.size,
    )


def find_cached(out: RecordedOut, caches: CacheManager, name: str) -> Files | None:
    """Find the out's files in DVC's cache; None unless all are there.

    name: of the out, for one that is a single file.
    """
    if out.hash is None or not out.is_cached:
        return None
    hashes: Mapping[str, str] | None = {name: out.hash}
    if out.hash_info.isdir:
        hashes = load_listing(out, caches)
    if hashes is None:
        return None
    files: Files = {}
    for file, value in hashes.items():
        path = Path(_cache_of(out, caches).oid_to_path(value))
        if not path.exists():
            return None
        files[file] = path
    return files


def load_listing(out: RecordedOut, caches: CacheManager) -> Mapping[str, str] | None:
    """Load the names and hashes of the files in a folder; None where the cache lacks it."""
    try:
        tree = load(_cache_of(out, caches), out.hash_info)
    except (FileNotFoundError, ObjectFormatError):
        return None
    assert isinstance(tree, Tree)
    return {"/".join(key): hash_info.value for key, _, hash_info in tree}


def _cache_of(out: RecordedOut, caches: CacheManager) -> HashFileDB:
    """Select the cache of the out's hash algorithm."""
    name = "repo"
    if out.algorithm in LEGACY_HASH_NAMES:
        name = "legacy"
    return cast(HashFileDB, getattr(caches, name))


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
