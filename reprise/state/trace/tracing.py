"""Note the paths that this process looks at, whoever looks: DVC, its libraries or reprise."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from reprise.state.trace.signature import find_mode

# Python's own ways to look at a path, and at the names in a folder. os.path, pathlib and os.walk
# go through them.
LOOKS: tuple[Callable[..., Any], ...] = (
    os.stat,
    os.lstat,
    os.readlink,
    os.access,
    os.open,
    io.open,
)
LISTINGS: tuple[Callable[..., Any], ...] = (os.scandir, os.listdir)
OWN = ("posix", "_io")  # the modules that have the originals; imports look through these


class Trace:
    """Holds the paths that were looked at, absolute.

    looked: those that were opened, or asked whether and what they are; with the mode that each had
    before, 0 for none. listed: folders of which the names were read.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.looked: dict[str, int] = {}
        self.listed: set[str] = set()

    def add(self, paths: Iterable[str]) -> None:
        """Add paths as if they were looked at now."""
        for path in paths:
            if path not in self.looked:
                self.looked[path] = find_mode(path)

    def leave_out(self, folders: Iterable[str]) -> None:
        """Forget what lies in these folders."""
        below = tuple(f"{folder}{os.sep}" for folder in folders)
        for path in [*self.looked]:
            if path.startswith(below):
                del self.looked[path]
        self.listed = {path for path in self.listed if not path.startswith(below)}

    def add_tree(self, top: str) -> None:
        """Add a file, or a folder with all that is in it. Links to other folders are not followed.

        For what may be looked at by code in C, such as that of `os.DirEntry`.
        """
        self.add([top])
        for folder, folders, files in os.walk(top):
            self.listed.add(folder)
            self.add(os.path.join(folder, name) for name in (*folders, *files))


_traces: list[Trace] = []  # to note in


@contextmanager
def tracing() -> Iterator[Trace]:
    """Note what is looked at until the context ends, in any thread."""
    trace = Trace()
    _traces.append(trace)
    replaced = [*_find_originals()]
    for module, name, original in replaced:
        setattr(module, name, _NOTING[original])
    try:
        yield trace
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)
        _traces.remove(trace)


def _find_originals() -> Iterator[tuple[ModuleType, str, Callable[..., Any]]]:
    """Iterate over the modules that have one of the functions, by its own name: `from os import …`.

    One that is imported while something is noted takes what notes; that does no harm later.
    """
    names = {original.__name__ for original in _NOTING}
    for module in [*sys.modules.values()]:
        if getattr(module, "__name__", None) in OWN:
            continue
        attributes = getattr(module, "__dict__", {})
        for name in names & attributes.keys():
            value = attributes[name]
            if any(value is original for original in _NOTING):
                yield module, name, value


def _noting(
    original: Callable[..., Any], note: Callable[[Trace, str], object]
) -> Callable[..., Any]:
    """Return a function that notes the path, and does what the original does."""

    def look(*args: Any, **kwargs: Any) -> Any:
        path = args[0] if args else kwargs.get("path", kwargs.get("file", "."))
        if isinstance(path, (str, bytes, os.PathLike)):  # else an open file's number
            name = os.fsdecode(path)
            if not os.path.isabs(name):
                name = os.path.join(os.getcwd(), name)
            for trace in _traces:
                note(trace, name)
        return original(*args, **kwargs)

    return look


_NOTING = {
    **{original: _noting(original, lambda trace, path: trace.add([path])) for original in LOOKS},
    **{
        original: _noting(original, lambda trace, path: trace.listed.add(path))
        for original in LISTINGS
    },
}
