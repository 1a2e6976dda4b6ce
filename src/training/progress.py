"""Tells where training stands, and sums the losses on the way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from tqdm import tqdm

from src.errors import InputError, shown

WHERE = "params.yaml: train"
Row = dict[str, float]  # one epoch of history.csv
STATE = ("epoch", "step", "lr", "loss_sum", "history", "best", "best_epoch", "weights")
UNREAD = 1 << 20  # numbers of outputs that may wait to be read
# Numbers that a step counts as: between small tensors that are kept lies memory that batches had,
# which the system does not get back.
LEAST = 1 << 14


class Ids(Protocol):
    """Names rows in errors."""

    def take(self, rows: np.ndarray, /) -> pa.ChunkedArray:
        """Return what names the rows of these numbers."""


class Step(NamedTuple):
    """Holds what a step gave: the loss, the outputs [batch, n] and the numbers of their rows."""

    loss: Tensor
    outputs: Tensor
    rows: Tensor


@dataclass
class Progress:
    """Holds what a checkpoint keeps beside the parts' own state.

    epoch: the one that is trained, from 1; step: how many of its steps are done; lr: at its start;
    loss_sum: over the rows of these steps; weights: of the best epoch yet. ids name the rows;
    sizes: how many rows each step of the epoch has, in all processes.
    """

    ids: Ids
    epoch: int = 1
    step: int = 0
    lr: float = 0.0
    loss_sum: float = 0.0
    loss: float = math.nan  # of the last step that was read
    history: list[Row] = field(default_factory=list)
    best: float = math.inf
    best_epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    sizes: Sequence[int] = ()
    unread: list[Step] = field(default_factory=list)
    unread_size: int = 0

    def add(self, loss: Tensor, outputs: Tensor, rows: Tensor) -> None:
        """Note that a step is done, without waiting for the device that computes it."""
        self.step += 1
        # Detached, or it would keep every step's graph.
        self.unread.append(Step(loss.detach(), outputs.detach(), rows))
        self.unread_size += max(outputs.numel(), LEAST)
        if self.unread_size > UNREAD:
            self.read()

    def read(self) -> float:
        """Wait for the device, and add up the losses since the last time, in float64.

        Returns the sum, which is the same whenever it is read. Raises InputError for a loss that is
        not finite.
        """
        steps, self.unread, self.unread_size = self.unread, [], 0
        if steps:
            losses = torch.stack([step.loss for step in steps]).tolist()
            first = self.step - len(steps) + 1
            for number, (step, loss) in enumerate(zip(steps, losses, strict=True), first):
                if not math.isfinite(loss):
                    found = f"loss {loss} in epoch {self.epoch}, step {number}"
                    raise diverged(found, step.outputs, self.ids.take(step.rows.numpy()))
                self.loss_sum += loss * self.sizes[number - 1]
            self.loss = losses[-1]
        return self.loss_sum

    def is_patient(self, patience: int | None) -> bool:
        """Tell whether fewer than so many epochs came since the best one; None: wait for ever."""
        return patience is None or self.epoch - 1 - self.best_epoch < patience

    def state_dict(self) -> dict[str, Any]:
        """Return where training stands; the losses must have been read."""
        assert not self.unread
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go to where training stood."""
        for name in STATE:
            setattr(self, name, state[name])

    def end_epoch(self) -> None:
        """Go on to the first step of the next epoch."""
        self.epoch, self.step, self.loss_sum = self.epoch + 1, 0, 0.0


def write_line(text: str) -> None:
    """Write a line at once to stdout, above the bar if there is one."""
    with tqdm.external_write_mode():
        print(text, flush=True)


def diverged(found: str, outputs: Tensor, ids: Ids) -> InputError:
    """Name the first rows whose outputs are not finite, or else the row of the largest output.

    outputs: [rows, n]; ids: of these rows.
    """
    size = outputs.abs().nan_to_num(nan=math.inf).amax(dim=1)
    rows = torch.nonzero(size == size.max()).squeeze(1)[:3].cpu()
    names = ", ".join(shown(name) for name in ids.take(rows.numpy()).to_pylist())
    found = f"{found}, first in the rows with id {names}"
    expected = "finite losses; a smaller optimizer.lr or a clip_norm may give them"
    return InputError(WHERE, found, expected)
