"""Keeps parsed files and hashes of one run, so that nothing is read twice."""

import io
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile, ProjectFile
from dvc.output import Output
from dvc.utils.serialize import load_path

from reprise.dvc.inputs.signature import (
    Signature,
    Signatures,
    are_same_files,
    outlast_tick,
    read_settled_signatures,
    read_signatures,
)
from reprise.dvc.parsed.files import ParsedFiles

_load_lock = Lockfile._load_yaml  # DVC's own, whatever `patches` puts in its place


@dataclass
class _Built:
    """Holds what was hashed of a path: a result for each kind of hash.

    signatures: of the files at that time; None for a folder that no dep names.
    """

    signatures: Signatures | None
    results: dict[Any, Any] = field(default_factory=dict)

    @property
    def has_signatures(self) -> bool:
        """Tell whether the files' signatures are known."""
        return self.signatures is not None

    def is_of_file(self, path: str) -> bool:
        """Tell whether what was hashed is the file that is at the path now."""
        signatures = self.signatures or {}
        before = signatures.get("")
        if before is None:
            return False  # it was a folder
        return before.is_same_file(Signature.of(path))


@dataclass(frozen=True)
class _ReadFile:
    """Gives DVC's loaders the content of a file that was read already, in place of `fs`."""

    fs: Any
    content: bytes

    def suffix(self, path: str) -> str:
        """Return the file's suffix, as DVC takes it from the name."""
        suffix: str = self.fs.suffix(path)
        return suffix

    def open(self, _path: str, encoding: str, **_kwargs: Any) -> io.TextIOWrapper:
        """Open the content as a text."""
        return io.TextIOWrapper(io.BytesIO(self.content), encoding=encoding)


class FileCache:
    """Remembers what the files of the workspace contain.

    A file is known by inode, size and time. A folder counts as unchanged until `refresh` finds
    that one of its files is not, or `forget` is told that something was written there.
    """

    def __init__(self, parsed_files: ParsedFiles | None = None) -> None:
        """Begin with nothing. parsed_files: of earlier processes."""
        self._parsed_files = parsed_files
        self._parsed: dict[tuple[str, str], tuple[Signature, Any]] = {}
        self._built: dict[str, _Built] = {}
        # Inodes and their times after this run has linked them: see `note_own_change`.
        self._own_changes: set[tuple[int, int]] = set()
        self._under: dict[str, set[str]] = {}  # folder: the paths in `_built` that lie in it

    def load_path(self, path: str, fs: Any, **kwargs: Any) -> Any:
        """Parse a params file, as dvc.utils.serialize.load_path does."""

        def read() -> tuple[bytes, Any]:
            outlast_tick(os.stat(path).st_mtime_ns)
            content = Path(path).read_bytes()
            return content, load_path(path, _ReadFile(fs, content), **kwargs)

        _, values = self._read_once("params", path, read)
        return values

    def params_text(self, path: str) -> str:
        """Return the text of the params file from which `load_path` last took the values."""
        content: bytes
        _, (content, _) = self._parsed["params", path]
        return content.decode("utf-8")

    def load_lock(self, file: Lockfile) -> Any:
        """Parse and check a dvc.lock, as Lockfile._load_yaml does."""
        return self._read_once("lock", file.path, lambda: self.parse(file, _load_lock))

    def keep_lock(self, path: str, text: str, data: Any) -> None:
        """Keep what a dvc.lock holds that was just written, for later processes; None: nothing."""
        if self._parsed_files is not None and data is not None:
            self._parsed_files.keep(path, text, data)

    def parse(
        self, file: Lockfile | ProjectFile, load: Callable[[Any], tuple[Any, str]]
    ) -> tuple[Any, str]:
        """Parse and check a file of DVC's, unless an earlier process has. Returns its text too.

        load: DVC's own way. Raises what DVC raises for a file that it can't read.
        """
        if self._parsed_files is None:
            return load(file)
        with suppress(OSError, UnicodeError):
            with file.repo.fs.open(file.path, encoding="utf-8") as opened:
                text: str = opened.read()
            data = self._parsed_files.find(file.path, text)
            if data is not None:
                return data, text
        data, text = load(file)
        self._parsed_files.keep(file.path, text, data)
        return data, text

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
        signature = Signature.of(path)
        known = self._parsed.get((kind, path))
        if known is not None and known[0].is_same_file(signature):
            return known[1]
        content = read()
        self._parsed[kind, path] = (signature, content)
        return content

    def build(self, item: Output, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Hash a file or folder, as Output._build does, and return what that returned.

        original: the item's own _build. A result is kept for each kind of hash, and for a dry
        run apart from one that prepares the files for the cache.
        """
        built = self._known(item)
        if built is None:
            built = self._begin(item)
        kind = (item.hash_name, kwargs.get("dry_run", False))
        if kind not in built.results:
            built.results[kind] = original(*args, no_progress_bar=True, **kwargs)
        return built.results[kind]

    def _known(self, item: Output) -> _Built | None:
        """Return what is kept of the item's path, if it is still true."""
        path = item.fs_path
        built = self._built.get(path)
        if built is None:
            return None
        if os.path.isdir(path):
            # Of a folder that was hashed as an out, no signatures were taken.
            is_true = built.has_signatures or not item.IS_DEPENDENCY
        else:
            is_true = built.is_of_file(path)
        if not is_true:
            return None
        return built

    def _begin(self, item: Output) -> _Built:
        """Begin to keep hashes of the item's path as it is now."""
        path = item.fs_path
        if item.IS_DEPENDENCY:
            built = _Built(read_settled_signatures(item))
        elif os.path.isdir(path):
            built = _Built(None)
        else:
            built = _Built({"": Signature.of(path)})
        self._built[path] = built
        for folder in Path(path).parents:
            self._under.setdefault(str(folder), set()).add(path)
        return built

    def signatures(self, path: str) -> Signatures:
        """Return the signatures that the files of a dep had when it was hashed."""
        signatures = self._built[path].signatures
        assert signatures is not None
        return signatures

    def refresh(self, dep: Output) -> None:
        """Forget the hash of a dep whose folder was written to."""
        built = self._built.get(dep.fs_path)
        if built is None or built.signatures is None or not os.path.isdir(dep.fs_path):
            return
        now = read_signatures(dep)
        if are_same_files(built.signatures, now):
            built.signatures = now
        else:
            self.forget(dep.fs_path)

    def note_own_change(self, signature: Signature) -> None:
        """Note that this run itself has just changed a file's inode, by a link. For any thread."""
        self._own_changes.add((signature.inode, signature.changed))

    def is_own_change(self, signature: Signature) -> bool:
        """Tell whether this run itself was the last to change the file's inode."""
        return (signature.inode, signature.changed) in self._own_changes

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
