"""Chooses what params.yaml leaves to the table: a loss by its task, a batch size by its rows."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from src.losses import USUAL
from src.params import Named
from src.schema import Task

STEPS = 64  # an epoch, at least, where the smallest batch allows it
SMALLEST, LARGEST = 32, 1024  # rows a batch
MOST = 2**31 - 1


def checked_batch(size: Any) -> Any:
    """Return a batch size of params.yaml; raise ValueError for what is none."""
    is_number = isinstance(size, int) and not isinstance(size, bool)
    if size == "auto" or (is_number and 1 <= size <= MOST):
        return size
    raise ValueError(f"auto, or rows a batch: 1 to {MOST}")


BatchSize = Annotated[int | Literal["auto"], BeforeValidator(checked_batch)]


def chosen_loss(loss: Named | None, task: Task) -> Named:
    """Return the loss of the params; where they name none, the usual one of the task."""
    if loss is not None:
        return loss
    return Named(name=USUAL[task])


def chosen_batch(size: int | Literal["auto"], rows: int) -> int:
    """Return the rows a batch; `auto`: a 64th of the table, as a power of two from 32 to 1,024."""
    if size != "auto":
        return size
    share = max(rows // STEPS, 1)
    power = 1 << (share.bit_length() - 1)  # rounded down
    return min(max(power, SMALLEST), LARGEST)
