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
    """Holds the seconds of recorded runs of each stage, by its name."""

    def __init__(self, temporary: Path) -> None:
        """Read the durations kept in `temporary`, a repository's `.dvc/tmp/reprise`."""
        self._path = StateFolders(temporary).durations
        self._seconds: dict[str, list[float]] = {}
        for name, seconds in read_lines(self._path, _parse):
            self._seconds.setdefault(name, []).append(seconds)

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

    def last_of_all(self, names: Iterable[str]) -> float | None:
        """Add up the seconds of each stage's last run; None if one of them, or all, never ran."""
        total = None
        for name in names:
            last = self.last(name)
            if last is None:
                return None
            total = (total or 0.0) + last
        return total

    def add(self, runs: Iterable[tuple[str, float]]) -> None:
        """Record the seconds of stages that ran."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        append_lines(self._path, ([name, round(seconds, 3)] for name, seconds in runs))


def _parse(line: Any) -> tuple[str, float]:
    """Return name and seconds. Raises ValueError unless the line has just these."""
    match line:
        case [str(name), int() | float() as seconds] if 0 <= seconds <= MOST:
            return name, float(seconds)
    raise ValueError("no name with seconds")
