"""Keep the stages that finished since dvc.lock was last written."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from reprise.dvc.lock_file import Entry, Key, format_run, is_entry, parse_run
from reprise.state.folders import StateFolders
from reprise.state.json_lines import append_lines, read_lines

JOURNAL_NAME = re.compile(r"[0-9]{1,9}\.jsonl")
NOBODY = "0"  # in place of a process's number


class Journal:
    """Appends to a file of this process whenever a stage has finished.

    The file is removed when dvc.lock is written. One that outlives its process holds what a killed
    run had finished.
    """

    def __init__(self, temporary: Path) -> None:
        """Name this process's journal in `temporary`, a repository's `.dvc/tmp/reprise`.

        Nothing is written yet.
        """
        self._folders = StateFolders(temporary)
        self.folder = self._folders.journals
        self.adopted: list[Path] = []  # journals of killed runs

    @cached_property
    def path(self) -> Path:
        """Return the path of this process's journal."""
        return self.folder / f"{self._folders.processes.own()}.jsonl"

    def left_over(self) -> dict[Key, Entry]:
        """Return the entries of runs that were killed before they wrote dvc.lock."""
        self.adopted = list(filter(_is_journal, self._folders.left_by_killed(self.folder)))
        return _read_entries(self.adopted)

    def start(self) -> None:
        """Make this process's journal."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def all_entries(self) -> dict[Key, Entry]:
        """Return the entries of all runs, also of those that go on in other processes."""
        return _read_entries(filter(_is_journal, self.folder.glob("*")))

    def add(self, key: Key, entry: Entry) -> None:
        """Record a stage that finished."""
        append_lines(self.path, [[*key, format_run(entry)]])

    def clear(self, keep: Mapping[Key, Entry]) -> None:
        """Remove the journals after dvc.lock was written.

        keep: entries that dvc.lock does not hold, for a later run.
        """
        done = {self.path, *self.adopted}
        if keep:
            done.discard(self._keep(keep))
        for path in done:
            path.unlink(missing_ok=True)

    def _keep(self, entries: Mapping[Key, Entry]) -> Path:
        """Write the entries, whole or not at all, to a journal of no process; return its path."""
        path = self.folder / f"{NOBODY}.jsonl"
        part = self.folder / f"{NOBODY}.part"
        part.unlink(missing_ok=True)
        append_lines(part, ([*key, format_run(entry)] for key, entry in entries.items()))
        part.replace(path)
        return path


def _is_journal(path: Path) -> bool:
    """Tell a journal from what a command may have written beside it."""
    return path.is_file() and JOURNAL_NAME.fullmatch(path.name) is not None


def _read_entries(journals: Iterable[Path]) -> dict[Key, Entry]:
    """Read the journals, oldest first, so that the newest entry of a stage stands.

    An entry is kept as YAML: JSON has no dates, no keys but text, and no values that are shared.
    """
    entries: dict[Key, Entry] = {}
    for path in sorted(journals, key=lambda path: path.stat().st_mtime):
        entries.update(read_lines(path, _parse))
    return entries


def _parse(line: Any) -> tuple[Key, Entry]:
    """Return a stage's key and entry. Raises ValueError unless the line has just these."""
    match line:
        case [str(file), str(name), str(text)]:
            entry = parse_run(text)
            if is_entry(entry):
                return (file, name), entry
    raise ValueError("no stage with its entry")
