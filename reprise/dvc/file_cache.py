"""Keeps parsed files and hashes of one run, so that nothing is read twice."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile
from dvc.output import Output
from dvc.utils.serialize import load_path

_load_lock = Lockfile._load_yaml  # DVC's own, whatever `patches` puts in its place
_Signature = tuple[int, int, int]


def _signature(path: str) -> _Signature:
    """Return inode, size and time. Raises OSError where there is no file."""
    status = os.stat(path)
    return (status.st_ino, status.st_size, status.st_mtime_ns)


class FileCache:
    """Remembers what the files of the workspace contain.

    A file is known by inode, size and time. A folder counts as unchanged until `forget` is told
    that something was written there.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._parsed: dict[tuple[str, str], tuple[_Signature, Any]] = {}
        self._built: dict[str, tuple[_Signature | None, dict[Any, Any]]] = {}
        self._under: dict[str, set[str]] = {}  # folder: the paths in `_built` that lie in it

    def load_path(self, path: str, fs: Any, **kwargs: Any) -> Any:
        """Parse a params file, as dvc.utils.serialize.load_path does."""
        return self._read_once("params", path, lambda: load_path(path, fs, **kwargs))

    def load_lock(self, file: Lockfile) -> Any:
        """Parse and check a dvc.lock, as Lockfile._load_yaml does."""
        return self._read_once("lock", file.path, lambda: _load_lock(file))

    def lines(self, path: str) -> set[str]:
        """Read the file's lines; none if there is no file."""
        if not os.path.exists(path):
            return set()
        lines: set[str] = self._read_once("lines", path, lambda: _read_lines(path))
        return lines

    def _read_once(self, kind: str, path: str, read: Callable[[], Any]) -> Any:
        """Return what `read` returned when the file had its present signature.

        kind: what is read of the file, for one that is read in two ways.
        """
        signature = _signature(path)
        known = self._parsed.get((kind, path))
        if known is not None and known[0] == signature:
            return known[1]
        content = read()
        self._parsed[kind, path] = (signature, content)
        return content

    def build(self, item: Output, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Hash a file or folder, as Output._build does, and return what that returned.

        original: the item's own _build. A result is kept for each kind of hash, and for a dry
        run apart from one that prepares the files for the cache.
        """
        path = item.fs_path
        kind = (item.hash_name, kwargs.get("dry_run", False))
        signature = None if os.path.isdir(path) else _signature(path)
        built = self._built.get(path)
        if built is None or built[0] != signature:
            built = (signature, {})
            self._built[path] = built
            for folder in Path(path).parents:
                self._under.setdefault(str(folder), set()).add(path)
        results = built[1]
        if kind not in results:
            results[kind] = original(*args, no_progress_bar=True, **kwargs)
        return results[kind]

    def forget(self, path: str) -> None:
        """Forget the hashes of the path, of what lies in it, and of the folders that it lies in."""
        inside = self._under.pop(path, set())
        folders = map(str, Path(path).parents)
        for changed in [path, *inside, *folders]:
            self._built.pop(changed, None)

    def forget_all(self) -> None:
        """Forget all hashes."""
        self._built.clear()
        self._under.clear()


def _read_lines(path: str) -> set[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return set(file.read().splitlines())
