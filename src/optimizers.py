"""Builds the optimizer and the learning rate scheduler of torch that params.yaml names."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer, lr_scheduler

from src.construct import Refusing, construct
from src.errors import InputError, one_of, shown
from src.params import Named

OPTIMIZERS = sorted(n for n in torch.optim.__all__ if n[0].isupper() and n != "Optimizer")
NEEDS_MORE = ("LBFGS", "SparseAdam")  # a closure, sparse gradients
# Without those that are made of other schedulers.
SCHEDULERS = sorted(set(lr_scheduler.__all__) - {"LRScheduler", "ChainedScheduler", "SequentialLR"})
LARGEST = torch.finfo(torch.float32).max


class Scheduler(Named):
    """Names a scheduler of torch.optim.lr_scheduler, and says when it steps."""

    every: Literal["epoch", "batch"] = "epoch"


def build_optimizer(where: str, spec: Named, network: nn.Module) -> Optimizer:
    """Build the named optimizer of the network's parameters; raise InputError if it is refused."""
    if spec.name not in OPTIMIZERS:
        expected = f"an optimizer of torch.optim: {one_of(OPTIMIZERS, spec.name)}"
        raise InputError(f"{where}.name", shown(spec.name), expected)
    if spec.name in NEEDS_MORE:
        expected = "an optimizer of dense gradients that needs no closure"
        raise InputError(f"{where}.name", spec.name, expected)
    cls: type[Optimizer] = getattr(torch.optim, spec.name)
    given = {"params": network.parameters()}
    optimizer: Optimizer = construct(where, cls, given, spec.kwargs)
    check_step(where, cls, spec.kwargs)
    return optimizer


def check_step(where: str, cls: type[Optimizer], kwargs: dict[str, Any]) -> None:
    """Take a step of a made-up parameter: some arguments torch checks only then."""
    trial = nn.Parameter(torch.zeros(2, 2))
    trial.grad = torch.zeros(2, 2)
    optimizer: Optimizer = construct(where, cls, {"params": [trial]}, kwargs)
    with Refusing(where, cls, kwargs):
        optimizer.step()


class Schedule:
    """Steps a scheduler of torch after batches or after epochs; None: never.

    Only ReduceLROnPlateau heeds the loss. Raises InputError if torch refuses the scheduler, which
    it may do at a step.
    """

    def __init__(self, where: str, spec: Scheduler | None, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.every, self.scheduler = None, None
        if spec is not None:
            self.every, self.scheduler = spec.every, build_scheduler(where, spec, optimizer)
            self.refusing = Refusing(where, type(self.scheduler), spec.kwargs)

    def after_batch(self, loss: Tensor) -> None:
        """Step, if that is after batches; loss: the batch's, a scalar."""
        if self.every == "batch":
            self.step(loss)

    def after_epoch(self, loss: float) -> None:
        """Step, if that is after epochs; loss: the validation's."""
        if self.every == "epoch":
            self.step(loss)

    def step(self, loss: Tensor | float) -> None:
        """Step, and check the learning rate."""
        with self.refusing:
            if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
                self.scheduler.step(float(loss))
            elif self.scheduler is not None:
                self.scheduler.step()
            check_rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Return the scheduler's state."""
        return {} if self.scheduler is None else self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state)


def build_scheduler(where: str, spec: Scheduler, optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    """Build the named scheduler; raise InputError if it is refused."""
    if spec.name not in SCHEDULERS:
        expected = f"a scheduler of torch.optim.lr_scheduler: {one_of(SCHEDULERS, spec.name)}"
        raise InputError(f"{where}.name", shown(spec.name), expected)
    cls = getattr(lr_scheduler, spec.name)
    scheduler: lr_scheduler.LRScheduler = construct(
        where, cls, {"optimizer": optimizer}, spec.kwargs
    )
    return scheduler


def check_rates(optimizer: Optimizer) -> None:
    """Raise ValueError for a learning rate that is no number, or too large for one."""
    for group in optimizer.param_groups:
        rate = group["lr"]
        is_number = isinstance(rate, int | float)
        if not is_number or not abs(rate) <= LARGEST:
            raise ValueError(f"the learning rate becomes {shown(rate)}")
