"""What finished since dvc.lock was last written."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from reprise.dvc.lock_file import Entry, Key
from reprise.process.groups import belongs_to_another
from reprise.state.folders import StateFolders
from reprise.state.json_lines import append_lines, read_lines


class Journal:
    """A file for each process, appended to whenever a stage has finished; gone when dvc.lock is written.

    A journal that outlives its process is what a killed run had finished.
    """

    def __init__(self, temporary: Path) -> None:
        """Name this process's journal in `temporary`, a repository's `.dvc/tmp/reprise`. Nothing is written yet."""
        self.folder = StateFolders(temporary).journals
        self.path = self.folder / f"{os.getpid()}.jsonl"
        self.adopted: list[Path] = []  # of killed runs

    def left_over(self) -> dict[Key, Entry]:
        """Return the entries of runs that were killed before they wrote dvc.lock."""
        journals = self.folder.glob("[0-9]*.jsonl")
        self.adopted = [path for path in journals if not belongs_to_another(int(path.stem))]
        return _entries(self.adopted)

    def start(self) -> None:
        """Make this process's journal."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def others(self) -> dict[Key, Entry]:
        """Return the entries of all runs, also of those that go on in other processes."""
        return _entries(self.folder.glob("*.jsonl"))

    def add(self, key: Key, entry: Entry) -> None:
        """StageRecord a stage that finished."""
        append_lines(self.path, [[*key, entry]])

    def clear(self, keep: Mapping[Key, Entry]) -> None:
        """Remove the journals after dvc.lock was written; `keep` is what it does not hold, for a later run."""
        done = {self.path, *self.adopted}
        if keep:
            kept = self.folder / "0.jsonl"  # of no process
            part = self.folder / "0.part"
            part.unlink(missing_ok=True)
            append_lines(part, ([*key, entry] for key, entry in keep.items()))
            part.replace(kept)
            done.discard(kept)
        for path in done:
            path.unlink(missing_ok=True)


def _entries(journals: Iterable[Path]) -> dict[Key, Entry]:
    """Read the journals, oldest first: the newest entry of a stage stands."""
    entries = {}
    for path in sorted(journals, key=lambda path: path.stat().st_mtime):
        for file, name, entry in read_lines(path):
            entries[file, name] = entry
    return entries
