"""Keep how long each stage took in earlier runs."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from reprise.state.folders import StateFolders
from reprise.state.json_lines import append_lines, read_lines

MOST = 1e9  # seconds that a stage can take
RECENT = 10  # runs of a stage that its expected time is taken from


class Durations:
    """Holds the seconds of recorded runs: of each stage by its name, and by what was recorded."""

    def __init__(self, temporary: Path) -> None:
        """Read the durations kept in `temporary`, a repository's `.dvc/tmp/reprise`."""
        self._path = StateFolders(temporary).durations
        self._seconds: dict[str, list[float]] = {}
        self._of_entries: dict[str, float] = {}
        for name, seconds, entry in read_lines(self._path, _parse):
            self._seconds.setdefault(name, []).append(seconds)
            if entry is not None:
                self._of_entries[entry] = seconds

    def expected(self, name: str) -> float | None:
        """Return the median of the stage's recent runs, in seconds; None if it never ran."""
        runs = self._seconds.get(name)
        if runs is None:
            return None
        return median(runs[-RECENT:])

    def last(self, name: str) -> float | None:
        """Return the seconds of the stage's last run; None if it never ran."""
        runs = self._seconds.get(name)
        if runs is None:
            return None
        return runs[-1]

    def of_entry(self, entry: str) -> float | None:
        """Return the seconds of the last run that was recorded so, by its `entry_hash`.

        None if no run here was.
        """
        return self._of_entries.get(entry)

    def last_of_all(self, names: Iterable[str]) -> float | None:
        """Add up the seconds of each stage's last run; None if one of them, or all, never ran."""
        total = None
        for name in names:
            last = self.last(name)
            if last is None:
                return None
            total = (total or 0.0) + last
        return total

    def add(self, runs: Iterable[tuple[str, float, str | None]]) -> None:
        """Record the seconds of stages that ran, and the `entry_hash` of what was recorded."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        append_lines(
            self._path, ([name, round(seconds, 3), entry] for name, seconds, entry in runs)
        )


def _parse(line: Any) -> tuple[str, float, str | None]:
    """Return name, seconds, and the entry's hash, which older lines lack. Raises ValueError."""
    match line:
        case [str(name), int() | float() as seconds, *rest] if 0 <= seconds <= MOST:
            match rest:
                case []:
                    return name, float(seconds), None
                case [str() | None as entry]:
                    return name, float(seconds), entry
    raise ValueError("no name with seconds")
