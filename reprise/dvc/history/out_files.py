"""Where the bytes of an out lie."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dvc.output import Output
from dvc_data.hashfile import load
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

Files = dict[
    str, Path
]  # name of each file within a dep or out, its own name for a single file: where its bytes lie


@dataclass(frozen=True)
class Out:
    """cache: where its bytes may lie; None for an out that git keeps. of: DVC's own."""

    hash: HashInfo
    cache: HashFileDB | None
    of: Output


def cached(out: Out, name: str) -> Files | None:
    """Whole, or None."""
    if not out.hash or out.cache is None:
        return None
    found = {name: out.hash.value}
    if out.hash.isdir:
        try:
            tree = load(out.cache, out.hash)
        except (FileNotFoundError, ObjectFormatError):
            return None
        assert isinstance(tree, Tree)
        found = {"/".join(key): hash_info.value for key, _, hash_info in tree}
    places = {name: Path(out.cache.oid_to_path(value)) for name, value in found.items()}
    return places if all(p.exists() for p in places.values()) else None


def listed(out: Out) -> Iterable[str] | None:
    """Names of the files in a folder. Its listing alone is fetched if the cache lacks it; None where nothing has it."""
    tree = out.of.get_dir_cache() if out.cache is not None and out.hash.isdir else None
    return None if tree is None else ["/".join(key) for key, *_ in tree]


def files_at(place: Path) -> Files:
    """Of a folder, or the one file that it is."""
    if not place.is_dir():
        return {place.name: place}
    return {p.relative_to(place).as_posix(): p for p in sorted(place.rglob("*")) if p.is_file()}
