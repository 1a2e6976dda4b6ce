"""What finished since dvc.lock was last written, and how long each stage took, in `.dvc/tmp/reprise`."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil

Key = tuple[str, str]  # the lock file relative to the root, the stage's name in it
Entry = dict[str, Any]  # as it stands in dvc.lock


def _lines(path: Path) -> Iterator[Any]:
    """The file's whole lines: the last one may be cut off by a kill."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        with suppress(json.JSONDecodeError):
            yield json.loads(line)


def _append(path: Path, values: Iterable[Any]) -> None:
    """A line each, on lines of their own also after one that was cut off."""
    with path.open("a+b") as file:
        cut_off = file.tell() > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        lines = "".join(json.dumps(value, default=str) + "\n" for value in values)
        file.write((b"\n" if cut_off else b"") + lines.encode())


def is_of_another(pid: int) -> bool:
    """Whether a process lives and is not this one: in a container a new process may have a dead one's number."""
    return pid != os.getpid() and psutil.pid_exists(pid)


class Journal:
    """A file a process, appended to whenever a stage has finished; gone when dvc.lock is written.

    A journal that outlives its process is what a killed run had finished.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.path = self.folder / f"{os.getpid()}.jsonl"
        self.adopted: list[Path] = []  # of killed runs

    def left_over(self) -> dict[Key, Entry]:
        """Entries of runs that were killed before they wrote dvc.lock."""
        self.adopted = [p for p in self.folder.glob("[0-9]*.jsonl") if not is_of_another(int(p.stem))]
        return _entries(self.adopted)

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def others(self) -> dict[Key, Entry]:
        """Entries of all runs, also of those that go on in other processes."""
        return _entries(self.folder.glob("*.jsonl"))

    def add(self, key: Key, entry: Entry) -> None:
        _append(self.path, [[*key, entry]])

    def clear(self, keep: Mapping[Key, Entry]) -> None:
        """After dvc.lock holds all but what is to be kept for a later run."""
        kept = self.folder / "0.jsonl"  # of no process
        if keep:
            part = self.folder / "0.part"
            part.unlink(missing_ok=True)
            _append(part, ([*key, entry] for key, entry in keep.items()))
            part.replace(kept)
        for path in {self.path, *self.adopted} - ({kept} if keep else set()):
            path.unlink(missing_ok=True)


def _entries(journals: Iterable[Path]) -> dict[Key, Entry]:
    oldest_first = sorted(journals, key=lambda p: p.stat().st_mtime)
    return {(file, name): entry for path in oldest_first for file, name, entry in _lines(path)}


class History:
    """Seconds of recorded runs of each stage."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "history.jsonl"
        self._seconds: dict[str, list[float]] = {}
        if self.path.exists():
            for name, seconds in _lines(self.path):
                self._seconds.setdefault(name, []).append(seconds)

    def expected(self, name: str) -> float | None:
        """The median of the last ten runs, in seconds."""
        runs = self._seconds.get(name, [])[-10:]
        return median(runs) if runs else None

    def last(self, name: str) -> float | None:
        return self._seconds[name][-1] if name in self._seconds else None

    def add(self, runs: Iterable[tuple[str, float]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _append(self.path, ([name, round(seconds, 3)] for name, seconds in runs))
