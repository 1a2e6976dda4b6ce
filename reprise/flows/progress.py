"""Show how far a command is by the rows that it writes meanwhile, as a progress artifact.

A command may keep rows in `.dvc/tmp/reprise/live/<stage>.csv` while it runs, as the training of
this project does. There will be as many as a declared param says that has the plural of the first
column's name: of a column `epoch`, the param `train.epochs`. Without one nothing is shown.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact

if TYPE_CHECKING:
    from reprise.dvc import Stage  # DVC is slow to import, and a Dask worker needs none

PAUSE = 2.0  # seconds between looks
ALL = 100.0  # percent


@dataclass(frozen=True)
class LiveRows:
    """Names the file of rows of a stage. key: of its artifact; counts: declared params by name."""

    file: Path
    key: str
    counts: Mapping[str, int]


def live_rows(stage: "Stage", folder: Path, key: str) -> LiveRows:
    """Say where a stage may keep rows. folder: of those of all stages."""
    name = re.sub(r"[^\w.@-]", "_", stage.name)
    return LiveRows(folder / f"{name}.csv", key, dict(_counts(stage)))


def _counts(stage: "Stage") -> Iterator[tuple[str, int]]:
    """Yield the whole numbers among the declared params, with the last part of their names."""
    for file, keys in stage.params.items():
        values = stage.params_of(file)
        if not keys:
            yield from _numbers("", values)
        for key in keys:
            found = values
            for part in key.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
            yield from _numbers(key.rpartition(".")[2], found)


def _numbers(name: str, value: Any) -> Iterator[tuple[str, int]]:
    if isinstance(value, Mapping):
        for inner_name, inner in value.items():
            yield from _numbers(str(inner_name), inner)
    elif type(value) is int:
        yield name, value


def how_far(rows: LiveRows) -> tuple[float, str] | None:
    """Return the percentage of rows that are there, and the same in words.

    None without a row, and where no param says how many there will be.
    """
    try:
        header, *lines = rows.file.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError):  # no file, or an empty one
        return None
    unit = header.split(",")[0]
    total = rows.counts.get(f"{unit}s", 0)
    if total <= 0 or not lines:
        return None
    return min(ALL, ALL * len(lines) / total), f"{unit} {len(lines)} of {total}"


class Progress:
    """Shows the progress of one attempt at a stage, in its task run."""

    def __init__(self, rows: LiveRows) -> None:
        """Begin. What is in the file now is of a run before."""
        self._rows = rows
        self._seen = self._state()
        self._artifact: UUID | None = None
        self._next_look = time.monotonic() + PAUSE

    def _state(self) -> tuple[int, int] | None:
        with suppress(OSError):
            stat = self._rows.file.stat()
            return stat.st_mtime_ns, stat.st_size
        return None

    def look(self) -> None:
        """Show the rows that are there, if it is time and there are others than before."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + PAUSE
        state = self._state()
        if state is not None and state != self._seen:
            self._seen = state
            found = how_far(self._rows)
            if found is not None:
                self._update(*found)

    def finish(self) -> None:
        """Show that the command is done; it may have stopped before the last row."""
        if self._artifact is not None:
            self._update(ALL, "done")

    def _update(self, percent: float, description: str) -> None:
        """Make the artifact, or write over it. A server that is gone loses no run."""
        with suppress(httpx.HTTPError):
            if self._artifact is None:
                made = create_progress_artifact(
                    percent, key=self._rows.key, description=description
                )
                assert isinstance(made, UUID)  # in no event loop
                self._artifact = made
            else:
                update_progress_artifact(self._artifact, percent, description=description)
