"""Builds the optimizer and the learning rate scheduler of torch that params.yaml names."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn
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


def build_scheduler(
    where: str, spec: Scheduler | None, optimizer: Optimizer
) -> Callable[[float], None]:
    """Build the named scheduler's step, a function of the loss; raise InputError if it is refused.

    Only ReduceLROnPlateau heeds the loss. Without a scheduler the step does nothing.
    """
    if spec is None:
        return lambda loss: None
    if spec.name not in SCHEDULERS:
        expected = f"a scheduler of torch.optim.lr_scheduler: {one_of(SCHEDULERS, spec.name)}"
        raise InputError(f"{where}.name", shown(spec.name), expected)
    cls = getattr(lr_scheduler, spec.name)
    kwargs = spec.kwargs
    scheduler = construct(where, cls, {"optimizer": optimizer}, kwargs)

    def step(loss: float) -> None:
        with Refusing(where, cls, kwargs):
            if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
                scheduler.step(loss)
            else:
                scheduler.step()
            check_rates(optimizer)

    return step


def check_rates(optimizer: Optimizer) -> None:
    """Raise ValueError for a learning rate that is no number, or too large for one."""
    for group in optimizer.param_groups:
        rate = group["lr"]
        is_number = isinstance(rate, int | float)
        if not is_number or not abs(rate) <= LARGEST:
            raise ValueError(f"the learning rate becomes {shown(rate)}")
