"""Parsed files and hashes of one run, so that nothing is read twice."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile
from dvc.fs import LocalFileSystem
from dvc.output import Output
from dvc.utils.serialize import load_path

_load_lock = Lockfile._load_yaml
_Signature = tuple[int, int, int]


def _signature(path: str) -> _Signature:
    s = os.stat(path)
    return (s.st_ino, s.st_size, s.st_mtime_ns)


class FileCache:
    """Files are known by inode, size and time; folders until `forget` is told that something was written there."""

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[_Signature, Any]] = {}
        self._built: dict[str, tuple[_Signature | None, dict[Any, Any]]] = {}
        self._under: dict[str, set[str]] = {}  # folder: the paths in `_built` that lie in it

    def load_path(self, path: str, fs: Any, **kwargs: Any) -> Any:
        if not isinstance(fs, LocalFileSystem):  # a commit's, whose protocol is "local" too
            return load_path(path, fs, **kwargs)
        signature = _signature(path)
        if path not in self._parsed or self._parsed[path][0] != signature:
            self._parsed[path] = (signature, load_path(path, fs, **kwargs))
        return self._parsed[path][1]

    def lines(self, path: str) -> set[str]:
        """The file's lines; none if there is no file."""
        if not os.path.exists(path):
            return set()
        signature = _signature(path)
        if path not in self._parsed or self._parsed[path][0] != signature:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                self._parsed[path] = (signature, set(file.read().splitlines()))
        found: set[str] = self._parsed[path][1]
        return found

    def load_lock(self, file: Lockfile) -> Any:
        """Lockfile._load_yaml: DVC reads and checks it anew for each stage."""
        if not isinstance(file.repo.fs, LocalFileSystem):
            return _load_lock(file)
        path, signature = file.path, _signature(file.path)
        if path not in self._parsed or self._parsed[path][0] != signature:
            self._parsed[path] = (signature, _load_lock(file))
        return self._parsed[path][1]

    def build(self, item: Output, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Output._build: DVC's hash objects of a file or folder."""
        path, kind = item.fs_path, (item.hash_name, kwargs.get("dry_run", False))
        signature = None if os.path.isdir(path) else _signature(path)
        if path not in self._built or self._built[path][0] != signature:
            self._built[path] = (signature, {})
            for folder in Path(path).parents:
                self._under.setdefault(str(folder), set()).add(path)
        known = self._built[path][1]
        if kind not in known:
            known[kind] = original(*args, no_progress_bar=True, **kwargs)
        return known[kind]

    def forget(self, path: str) -> None:
        """What is known of the path, what lies in it, and the folders that it lies in."""
        for known in [path, *self._under.pop(path, ()), *map(str, Path(path).parents)]:
            self._built.pop(known, None)

    def forget_all(self) -> None:
        self._built.clear()
        self._under.clear()
