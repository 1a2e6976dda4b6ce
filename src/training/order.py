"""Draws the order of rows and their batches, epoch by epoch."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Order:
    """Draws the batches of an epoch; its state is that of the epoch's start."""

    def __init__(self, rows: int, batch_size: int, shuffle: bool, seed: int) -> None:
        self.rows, self.batch_size, self.shuffle = rows, batch_size, shuffle
        # A generator of its own: a layer more in the model changes no order.
        self.generator = torch.Generator().manual_seed(seed)
        self.start = self.generator.get_state()

    def draw(self) -> Sequence[Tensor]:
        """Draw the epoch's batches of row numbers; the same ones again until `end_epoch`."""
        self.generator.set_state(self.start)
        order = torch.arange(self.rows)
        if self.shuffle:
            order = torch.randperm(self.rows, generator=self.generator)
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


def split_rows(order: Tensor, batch_size: int) -> Sequence[Tensor]:
    """Split row numbers, int64 [rows], into batches.

    A row that is left over joins the batch before: batch norm refuses one row.
    """
    batches = torch.split(order, batch_size)
    is_left_over = len(batches) > 1 and len(batches[-1]) == 1
    if is_left_over and batch_size > 1:
        return (*batches[:-2], torch.cat(batches[-2:]))
    return batches
