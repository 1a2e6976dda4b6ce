"""Draws the order of rows and their batches, epoch by epoch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Shuffle = bool | Literal["blocks"]
# Of `blocks`: so many rows that lie side by side, so many of these mixed at a time. They are no
# params of the machine's, since others give another model.
BLOCK = 1024
MIXED = 64


@dataclass(frozen=True)
class Batches:
    """Cuts the rows of an epoch into batches.

    order: row numbers [rows]; size: rows a batch, of which the last has what is left.
    """

    order: Tensor
    size: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Tensor]:
        for step in range(self.count):
            yield self.between(step, step + 1)

    @property
    def sizes(self) -> list[int]:
        """Count the rows of each batch."""
        return [*[self.size] * (self.count - 1), len(self.order) - self.size * (self.count - 1)]

    def between(self, first: int, end: int) -> Tensor:
        """Return the row numbers, int64, of the batches from `first` to the one before `end`."""
        last = len(self.order) if end == self.count else end * self.size
        return self.order[first * self.size : last].long()


class Order:
    """Draws the batches of an epoch; its state is that of the epoch's start."""

    def __init__(self, rows: int, batch_size: int, shuffle: Shuffle, seed: int) -> None:
        self.rows, self.batch_size, self.shuffle = rows, batch_size, shuffle
        # A generator of its own: a layer more in the model changes no order.
        self.generator = torch.Generator().manual_seed(seed)
        self.start = self.generator.get_state()

    def draw(self) -> Batches:
        """Draw the epoch's batches of row numbers; the same ones again until `end_epoch`."""
        self.generator.set_state(self.start)
        order = draw_rows(self.rows, self.shuffle, self.generator)
        return split_rows(order, self.batch_size)

    def end_epoch(self) -> None:
        """Go on to the next epoch."""
        self.start = self.generator.get_state()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the generator's state at the epoch's start."""
        return {"start": self.start}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go to the start of the epoch that the state was taken in."""
        self.start = state["start"]


def draw_rows(rows: int, shuffle: Shuffle, generator: torch.Generator) -> Tensor:
    """Draw the order of the row numbers: mixed all through, by blocks, or as they lie."""
    if shuffle == "blocks":
        return draw_blocks(rows, generator)
    if shuffle:
        return torch.randperm(rows, generator=generator, dtype=smallest_type(rows))
    return torch.arange(rows, dtype=smallest_type(rows))


def draw_blocks(rows: int, generator: torch.Generator) -> Tensor:
    """Draw an order in which rows that lie side by side come at about the same time.

    Blocks come in any order, and the rows of MIXED blocks at a time are mixed. So a table that the
    memory does not hold is read in long strokes; mixed all through, each row is an access to disk.
    """
    starts = torch.randperm(-(-rows // BLOCK), generator=generator) * BLOCK
    parts = []
    for some in torch.split(starts, MIXED):
        part = (some.unsqueeze(1) + torch.arange(BLOCK)).flatten()
        part = part[part < rows]
        mixed = torch.randperm(len(part), generator=generator)
        parts.append(part[mixed].to(smallest_type(rows)))
    return torch.cat(parts)


def smallest_type(rows: int) -> torch.dtype:
    """Choose the type of row numbers that takes the least memory."""
    return torch.int32 if rows <= torch.iinfo(torch.int32).max else torch.int64


def split_rows(order: Tensor, batch_size: int) -> Batches:
    """Split row numbers [rows] into batches.

    A row that is left over joins the batch before: batch norm refuses one row.
    """
    rows = len(order)
    count = -(-rows // batch_size)
    is_left_over = count > 1 and rows % batch_size == 1
    if is_left_over and batch_size > 1:
        count -= 1
    return Batches(order, batch_size, count)
