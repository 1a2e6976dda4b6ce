"""Shows how training goes on: a bar, a line now and then, a file, a tracker."""

import csv
import os
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from src.files import shortened
from src.params import Runtime
from src.training.progress import Progress, Row, write_line
from src.training.track import Tracking, stage_name

LOG_STEP = 100  # of each epoch has a line where params name no number of steps
LOG_SECONDS = 5.0  # and then one comes every so many seconds
MOVE_SECONDS = 0.1  # between two moves of the bar
EARLY = 0.25  # a kept epoch in this share of the first ones is named an early one


class Watch(AbstractContextManager["Watch"]):
    """Shows one training, from its first step or from the one it goes on with.

    runtime: what is shown; epochs, rows: of the whole training; live: the folder for rows of
    history.csv meanwhile, None for none.
    """

    def __init__(
        self,
        runtime: Runtime,
        epochs: int,
        rows: int,
        live: Path | None = None,
        tracking: Tracking | None = None,
    ) -> None:
        self._every, self._epochs, self._rows = runtime.log_every, epochs, rows
        self._live = Live(live)
        self._tracking = tracking or Tracking()
        self._has_bar = runtime.progress and can_show_bar()
        self._bar = tqdm(disable=True)  # until training begins
        self._steps = 0  # of an epoch
        self._logged = self._moved = 0.0  # when, by the monotonic clock

    def begin(self, progress: Progress, steps: int) -> None:
        """Show where training stands, and the rows of epochs before, even if none is left to do.

        steps: of an epoch.
        """
        self._steps = steps
        self._live.begin(progress.history)
        self._logged = self._moved = time.monotonic()
        self._bar = tqdm(
            desc=f"Epoch {progress.epoch}/{self._epochs}",
            total=self._epochs * self._rows,
            initial=self._rows_done(progress),
            unit=" rows",
            unit_scale=True,
            leave=False,
            dynamic_ncols=True,
            disable=not self._has_bar,
        )
        rows_end = len(progress.history) * self._steps
        self._tracking.begin(self._steps_done(progress), rows_end)
        for row in progress.history:
            self._tracking.log(int(row["epoch"]) * self._steps, row)

    def begin_epoch(self, progress: Progress, steps: int) -> None:
        """Begin an epoch of so many steps, of which `progress.step` are done already."""
        self._steps = steps
        self._bar.set_description(f"Epoch {progress.epoch}/{self._epochs}", refresh=False)

    def step(self, progress: Progress) -> None:
        """Look whether it is time for a line, after each step; only then read the losses."""
        now = time.monotonic()
        if now - self._moved >= MOVE_SECONDS:
            self._moved = now
            self._bar.update(self._rows_done(progress) - self._bar.n)
        if self._is_due(progress.step, now):
            self._logged = now
            progress.read()
            position = f"Epoch [{progress.epoch}/{self._epochs}]"
            write_line(
                f"{position}, Step [{progress.step}/{self._steps}], Loss: {progress.loss:.4f}"
            )
            self._tracking.log(self._steps_done(progress), {"loss": progress.loss})

    def _is_due(self, step: int, now: float) -> bool:
        """Tell whether it is time for a line."""
        if self._every is not None:
            return step % self._every == 0
        return step == LOG_STEP or now - self._logged >= LOG_SECONDS

    def end_epoch(self, progress: Progress) -> None:
        """Show the epoch's row, the last in `progress.history`."""
        row = progress.history[-1]
        self._bar.set_postfix_str(f"val_loss {row['val_loss']:.4g}", refresh=False)
        self._bar.update(self._rows_done(progress) - self._bar.n)
        self._live.add(row)
        self._tracking.log(self._steps_done(progress), row)

    def _steps_done(self, progress: Progress) -> int:
        """Count the steps of all epochs that are done."""
        return (progress.epoch - 1) * self._steps + progress.step

    def _rows_done(self, progress: Progress) -> int:
        """Estimate on how many rows was trained, each epoch's counted anew."""
        return self._rows * self._steps_done(progress) // self._steps

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()
        self._tracking.close(kind)


class Live:
    """Keeps the rows of history.csv, as they come, in a file of whole lines."""

    def __init__(self, folder: Path | None) -> None:
        """Name the file in the folder after the stage; no folder: no file."""
        self._path = None if folder is None else folder / f"{stage_name()}.csv"

    def begin(self, history: list[Row]) -> None:
        """Put the rows that this run goes on from in the place of those of the run before."""
        self._write("w", history)

    def add(self, row: Row) -> None:
        """Append a row in one piece, which `tail -f` shows."""
        self._write("a", [row])

    def _write(self, mode: str, rows: list[Row]) -> None:
        """Write rows, below a header if the file is empty; give it up where the disk refuses."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open(mode, encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                for row in rows:
                    if file.tell() == 0:
                        writer.writerow(row)
                    writer.writerow(map(shortened, row.values()))
        except OSError as e:
            write_line(f"{self._path}: {e.strerror}; nothing more is written, training goes on")
            self._path = None


def can_show_bar() -> bool:
    """Tell whether stderr is a terminal that can write over a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def describe_kept(history: list[Row], kept: int, epochs: int, monitor: str) -> str:
    """Name the kept epoch and its metrics; in a second line, say so if it was an early one.

    kept: the epoch's number; epochs: as many as there could have been; monitor: as params have it.
    """
    row, last = history[kept - 1], history[-1]
    metrics = [f"{name} {value:.6g}" for name, value in row.items() if name != "epoch"]
    text = "  ".join([f"kept epoch {kept} of {len(history)}", *metrics])
    latest_early = int(EARLY * len(history))
    if len(history) < epochs:  # patience ended it, which looks for an early one
        latest_early = 1
    if kept > latest_early:
        return text
    advice = "train_loss did not fall either: a smaller optimizer.lr may do better"
    if last["train_loss"] < row["train_loss"]:
        advice = "train_loss alone kept falling: patience or a smaller model may do as well"
    return f"{text}\nno later epoch was better by val_{monitor}; {advice}"
