"""Keep whose entries runs wrote to dvc.lock ahead of a stage that they did not finish."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reprise.dvc.lock_file import Key
from reprise.state.json_lines import append_lines, read_lines


class EarlyEntries:
    """Holds stages that finished while one before them, new as they are, was interrupted.

    `dvc repro`, one stage after the other, would have written that one's entry first. The run that
    finishes it puts theirs behind it.

    outs: by the stage's key, those that .gitignore got lines for.
    """

    def __init__(self, path: Path) -> None:
        """Read what is kept in the file."""
        self._path = path
        self.outs: dict[Key, list[str]] = dict(read_lines(path, _parse))

    def keep(self, outs: Mapping[Key, list[str]]) -> None:
        """Keep these, and nothing else."""
        self.outs = dict(outs)
        self._path.unlink(missing_ok=True)
        if outs:
            append_lines(self._path, ([*key, names] for key, names in outs.items()))


def _parse(line: Any) -> tuple[Key, list[str]]:
    """Return key and outs. Raises ValueError unless the line has just these."""
    match line:
        case [str(file), str(name), [*outs]] if all(isinstance(out, str) for out in outs):
            return (file, name), outs
    raise ValueError("no stage with outs")
