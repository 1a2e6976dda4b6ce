"""Keeps the state of a training as it goes on, so that a killed one ends in the same bytes.

A training has a folder, whose name is a hash of all that decides its result but the epochs (see
`key.py`): what lies there is of this very training, or of one with more or fewer epochs.
"""

import math
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from safetensors import SafetensorError
from tqdm import tqdm

from src.training.state_file import SUFFIX, UnknownStateError, read_state, remove_parts, write_state

KEPT = 2  # the newest, and the one before, should the newest be damaged
MOST_BYTES = 10 * 2**30  # of other trainings' checkpoints; the oldest go
NAME = re.compile(rf"(?P<epoch>\d+)-(?P<step>\d+)-[0-9a-f]{{64}}{SUFFIX}")


class Stateful(Protocol):
    """Has state between steps, and the methods of torch for it."""

    def state_dict(self) -> Any:
        """Return the state: tensors, numbers and text, in mappings, lists and tuples."""

    def load_state_dict(self, state: Any, /) -> Any:
        """Take the state of another."""


@dataclass
class Position:
    """Says how far a training is.

    epoch: from 1, the one to go on with; step: how many of its steps are done; loss_sum: of their
    rows; history: a row an epoch that is done; best: the score of the best one, best_epoch.
    """

    epoch: int = 1
    step: int = 0
    loss_sum: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float = math.inf
    best_epoch: int = 0


class Generators:
    """Gives and takes the states of torch's own generators, which dropout draws from."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the states."""
        states = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        elif self.device.type == "mps":
            states["mps"] = torch.mps.get_rng_state()
        return states

    def load_state_dict(self, states: Mapping[str, torch.Tensor], /) -> None:
        """Let the generators go on from these states."""
        torch.set_rng_state(states["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], self.device)
        elif self.device.type == "mps":
            torch.mps.set_rng_state(states["mps"])


class Kept(NamedTuple):
    """Names a checkpoint, and where in the training it is from."""

    epoch: int
    step: int
    path: Path


class Checkpoints:
    """Keeps the newest state of a training, and the one before."""

    def __init__(self, folder: Path | None, seconds: float | None) -> None:
        """Take the folder of the training; None, or no seconds between two, keeps nothing."""
        self._folder = folder if seconds is not None else None
        self._seconds = seconds or 0.0
        self._due = time.monotonic() + self._seconds
        self._parts: Mapping[str, Stateful] = {}
        self._resumed: Position | None = None

    def resume(self, parts: Mapping[str, Stateful], epochs: int) -> Position:
        """Bring the parts to the newest state there is, and return where in the training it is.

        epochs: how many the training has. A state of more does where the best epoch is among these.
        """
        self._parts = parts
        if self._folder is not None:
            remove_parts(self._folder)
        for kept in self._newest_first():
            state = read_state(kept.path)
            if state is None:
                say(f"{kept.path}: found it damaged; the one before is taken if there is one")
            else:
                position = Position(**state.pop("position"))
                if is_within(position, epochs):
                    return self._load(state, position, epochs)
                best = f"epoch {position.best_epoch}, the best so far, is after the {epochs} asked"
                say(f"{best} for, and earlier weights are not kept: trains from epoch 1")
            kept.path.unlink(missing_ok=True)  # or it would be taken for the newest again
        return Position()

    def _load(self, state: Mapping[str, Any], position: Position, epochs: int) -> Position:
        """Bring the parts to the state; leave out the epochs that are too many."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        position.history = position.history[:epochs]
        if position.epoch <= epochs:
            say(f"goes on from epoch {position.epoch}, step {position.step}")
        else:
            say(f"all {epochs} epochs are kept: nothing to train")
        self._resumed = replace(position)
        return position

    def is_due(self) -> bool:
        """Tell whether it is time for the next one."""
        return self._folder is not None and time.monotonic() >= self._due

    def keep(self, position: Position) -> None:
        """Write the state of the parts; what the disk refuses does not end the training."""
        if self._folder is None or position == self._resumed:  # which is there, maybe of more
            return
        state = {name: part.state_dict() for name, part in self._parts.items()}
        name = f"{position.epoch:07}-{position.step:010}"
        try:
            write_state(self._folder, name, {"position": asdict(position), **state})
            self._remove_all_but(KEPT)
        except UnknownStateError as e:
            say(f"none is kept: the state of the training holds {e}")
            self._folder = None
        except (OSError, SafetensorError) as e:
            say(f"none is kept for now: {e}")
        self._due = time.monotonic() + self._seconds

    def clear(self, *, keep_last: bool) -> None:
        """Remove what is not needed once the training has ended and its results are written.

        keep_last: keeps the last state, for a training of more epochs.
        """
        if self._folder is None:
            return
        try:
            self._remove_all_but(1 if keep_last else 0)
            make_room(self._folder)
        except OSError as e:
            say(f"some are not removed: {e}")

    def _remove_all_but(self, count: int) -> None:
        """Remove the oldest checkpoints of the training, and its folder if none is left."""
        for kept in self._newest_first()[count:]:
            kept.path.unlink(missing_ok=True)
        if count == 0 and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

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


def is_within(position: Position, epochs: int) -> bool:
    """Tell whether a state tells what training for so many epochs ends in."""
    is_end = position.epoch == epochs + 1 and position.step == 0
    return position.epoch <= epochs or is_end or position.best_epoch <= epochs


def make_room(folder: Path) -> None:
    """Remove other trainings' checkpoints, the oldest first, until they take less than the most."""
    others = [other for other in folder.parent.iterdir() if other != folder]
    total = 0
    for other in sorted(others, key=lambda other: other.stat().st_mtime, reverse=True):
        total += sum(file.stat().st_size for file in other.rglob("*"))
        if total > MOST_BYTES:
            shutil.rmtree(other, ignore_errors=True)


def say(line: str) -> None:
    """Print a line, above the bar if there is one."""
    tqdm.write(f"checkpoint: {line}")
