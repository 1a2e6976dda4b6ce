"""Keeps the state of a training as it goes on, so that a killed one ends in the same bytes.

A training has a folder, whose name is a hash of all that decides its result but the epochs (see
`key.py`): what lies there is of this very training, or of one with more or fewer epochs.
"""

import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors import SafetensorError

from src.training.key import EditedSourceError, Identity
from src.training.parts import Stateful
from src.training.processes import Processes
from src.training.progress import Progress, write_line
from src.training.state_file import SUFFIX, UnknownStateError, read_state, remove_parts, write_state

KEPT = 2  # the newest, and the one before, should the newest be damaged
MOST_BYTES = 10 * 2**30  # of all trainings' checkpoints; the oldest trainings' go
PICKS = "picks kernels by their speed: the same bytes only where it picks the same again"
NAME = re.compile(rf"(?P<epoch>\d+)-(?P<step>\d+)-[0-9a-f]{{64}}{SUFFIX}")


T = TypeVar("T")


class Generators:
    """Gives and takes the states of torch's own generators, which dropout draws from.

    Of several processes each has its own, and all give and take at the same time.
    """

    def __init__(self, processes: Processes | None = None) -> None:
        self.processes = processes

    def state_dict(self) -> dict[str, Any]:
        """Return the states, by process."""
        if self.processes is None:
            return {"0": self._own()}
        return self.processes.gathered(self._own())

    def load_state_dict(self, states: Mapping[str, Any], /) -> None:
        """Let the generators go on from these states."""
        own = states["0" if self.processes is None else str(self.processes.rank)]
        torch.set_rng_state(own["cpu"])
        if "cuda" in own:
            torch.cuda.set_rng_state_all(own["cuda"])
        if "mps" in own:
            torch.mps.set_rng_state(own["mps"])

    def _own(self) -> dict[str, Any]:
        states: dict[str, Any] = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            states["cuda"] = torch.cuda.get_rng_state_all()
        if torch.backends.mps.is_available():
            states["mps"] = torch.mps.get_rng_state()
        return states


class Kept(NamedTuple):
    """Names a checkpoint, and where in the training it is from."""

    epoch: int
    step: int
    path: Path


class Checkpoints:
    """Keeps the newest state of a training, and the one before."""

    def __init__(self, folder: Path | None, seconds: float | None, identity: Identity) -> None:
        """Take what names the training; nothing is read or written yet.

        folder: for the folders of all trainings; None, or no seconds from one state to the next,
        keeps nothing.
        """
        self._top = folder if seconds is not None else None
        self._identity = identity
        self._seconds = seconds or 0.0
        self._due = time.monotonic() + self._seconds
        self._folder: Path | None = None
        self._parts: dict[str, Stateful] = {}
        self._newest = (0, 0)  # epoch and step
        self._processes: Processes | None = None
        self._longer: set[Path] = set()  # states of a training of more epochs than are asked for
        self._is_refused = False  # for what the state holds

    def resume(
        self,
        parts: Mapping[str, Stateful],
        progress: Progress,
        epochs: int,
        processes: Processes | None = None,
    ) -> None:
        """Bring the parts and progress to the newest state that there is.

        epochs: how many are asked for. A state of more does where the best one is among these.
        Of several processes only the first writes.
        """
        if self._top is None:
            return
        self._processes = processes
        self._folder = self._as_first(self._name_folder())
        if self._folder is None:
            return
        self._parts = {**parts, "progress": progress, "generators": Generators(processes)}
        remove_parts(self._folder)
        kept = self._as_first(self._newest_usable(epochs) if self._is_first else None)
        if kept is None:
            return
        state = read_state(kept.path)
        assert state is not None, kept  # it was whole
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self._newest = (kept.epoch, kept.step)
        del progress.history[epochs:]
        say(f"goes on after {kept.epoch - 1} epochs and {kept.step} steps")
        if self._identity.compile == "max-autotune":
            say(f"max-autotune {PICKS}")

    def _name_folder(self) -> Path | None:
        """Name the training's folder; None where nobody can say what the code is."""
        assert self._top is not None
        try:
            return self._top / self._identity.key
        except EditedSourceError as e:
            say(f"none is kept: {e}")
            return None

    def _newest_usable(self, epochs: int) -> Kept | None:
        """Find the newest state that is whole and tells what so many epochs end in.

        One of a longer training stays for that. Damaged ones are removed.
        """
        latest_best = 0  # epoch
        for kept in self._newest_first():
            state = read_state(kept.path)
            if state is None:
                say(f"{kept.path}: found it damaged; the one before is taken if there is one")
                with suppress(OSError):  # then it is found once more
                    kept.path.unlink()
            elif (best := state["progress"]["best_epoch"]) > epochs:
                self._longer.add(kept.path)
                latest_best = max(best, latest_best)
            else:
                return kept
        if latest_best:
            reason = f"epoch {latest_best} is the best so far, and no earlier weights are kept"
            say(f"{reason}: trains anew")
        return None

    @property
    def _is_first(self) -> bool:
        return self._processes is None or self._processes.is_first

    def _as_first(self, value: T) -> T:
        """Return the value that the first process has: all have to do the same."""
        if self._processes is None:
            return value
        first: T = self._processes.gathered({"value": value})["0"]["value"]
        return first

    def step(self, progress: Progress) -> None:
        """Keep the state if it is time to; called after each step."""
        if self._folder is None:
            return
        is_due = time.monotonic() >= self._due
        if self._processes is not None:
            is_due = self._processes.agree(is_due)
        if is_due:
            self.keep(progress)
            self._due = time.monotonic() + self._seconds

    def keep(self, progress: Progress) -> None:
        """Write the state; what the disk refuses is said, and does not end the training."""
        position = (progress.epoch, progress.step)
        if self._folder is None or position == self._newest:
            return
        progress.read()
        state = {name: part.state_dict() for name, part in self._parts.items()}
        if not self._is_first or self._is_refused:
            return
        try:
            write_state(self._folder, f"{progress.epoch:07}-{progress.step:010}", state)
        except UnknownStateError as e:
            say(f"none is kept: the state of the training holds {e}")
            self._is_refused = True
        except (OSError, SafetensorError) as e:
            say(f"none is kept for now: {e}")
        else:
            self._remove(KEPT)

    def clear(self, *, keep_last: bool) -> None:
        """Remove what is not needed once the training has ended and its results are written.

        keep_last: keeps the last state, for a training of more epochs.
        """
        if self._folder is None or not self._folder.is_dir():
            return
        self._remove(1 if keep_last else 0)
        if not keep_last and not self._longer:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _remove(self, count: int) -> None:
        """Remove all but so many states of this training, and what takes too much beside it."""
        assert self._folder is not None
        own = [kept for kept in self._newest_first() if kept.path not in self._longer]
        for kept in own[count:]:
            with suppress(OSError):  # then it is tried again, and those before go all the same
                kept.path.unlink()
        try:
            make_room(self._folder)
        except OSError as e:
            say(f"some are not removed: {e}")

    def _newest_first(self) -> list[Kept]:
        """List the checkpoints of the training."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = []
        for path in self._folder.iterdir():
            name = NAME.fullmatch(path.name)
            if name is not None:
                found.append(Kept(int(name["epoch"]), int(name["step"]), path))
        return sorted(found, reverse=True)


def make_room(own: Path) -> None:
    """Remove trainings' folders, the oldest first, until all take less than the most; not `own`."""
    total = size_of(own)
    others = [folder for folder in own.parent.iterdir() if folder != own]
    for folder in sorted(others, key=last_touched, reverse=True):
        total += size_of(folder)
        if total > MOST_BYTES:
            shutil.rmtree(folder, ignore_errors=True)


def last_touched(path: Path) -> float:
    """Return when a file or folder was touched; 0 where another training just removed it."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def size_of(folder: Path) -> int:
    """Add up the bytes of a folder's files; another training may remove them meanwhile."""
    size = 0
    with suppress(FileNotFoundError):
        for file in folder.iterdir():
            with suppress(FileNotFoundError):
                size += file.stat().st_size
    return size


def say(line: str) -> None:
    """Write a line at once: a kill may come."""
    write_line(f"checkpoint: {line}")
