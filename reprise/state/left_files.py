"""Keep which files a stage's command left in the workspace that no out names."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reprise.state.json_lines import append_lines, read_lines


class LeftFiles:
    """Holds the files that each stage left beside its outs: its next run goes on with them."""

    def __init__(self, path: Path) -> None:
        """Read what is kept in the file."""
        self._path = path
        self._names: dict[str, dict[str, None]] = {}
        for stage, name in read_lines(path, _parse):
            self._names.setdefault(stage, {})[name] = None

    def of(self, stage: str) -> list[str]:
        """Name the files that the stage left, relative to the root."""
        return list(self._names.get(stage, {}))

    def add(self, stage: str, names: Iterable[str]) -> None:
        """Keep that the stage left the files. names: relative to the root."""
        known = self._names.setdefault(stage, {})
        new = [name for name in names if name not in known]
        if new:
            known.update(dict.fromkeys(new))
            append_lines(self._path, ([stage, name] for name in new))


def _parse(line: Any) -> tuple[str, str]:
    """Return stage and name. Raises ValueError unless the line has just these."""
    match line:
        case [str(stage), str(name)]:
            return stage, name
    raise ValueError("no stage with a file")
