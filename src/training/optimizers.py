"""Builds the optimizer of torch, or of the user's own, that params.yaml names."""

from collections.abc import Iterable
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from src.construct import OwnCode, Refusing, construct, construct_own, is_own, own_class
from src.errors import InputError, one_of, shown
from src.params import Named

OPTIMIZERS = sorted(n for n in torch.optim.__all__ if n[0].isupper() and n != "Optimizer")
NEEDS_MORE = ("LBFGS", "SparseAdam")  # a closure, sparse gradients
IMPLEMENTATIONS = {"fused", "foreach", "differentiable"}  # of which torch takes one


def build_optimizer(where: str, spec: Named, network: nn.Module) -> Optimizer:
    """Build the named optimizer of the network's parameters.

    Raises InputError if it is refused, OwnCodeError for an error in a class of the user's own.
    """
    if is_own(spec.name):
        return build_own(where, spec, network)
    if spec.name not in OPTIMIZERS:
        known = one_of(OPTIMIZERS, spec.name)
        expected = f"an optimizer of torch.optim: {known}, or your.module:Class"
        raise InputError(f"{where}.name", shown(spec.name), expected)
    if spec.name in NEEDS_MORE:
        expected = "an optimizer of dense gradients that needs no closure"
        raise InputError(f"{where}.name", spec.name, expected)
    cls: type[Optimizer] = getattr(torch.optim, spec.name)
    parameters = list(network.parameters())
    given: dict[str, Any] = {"params": parameters}
    if is_same_fused(spec, parameters):
        given["fused"] = True
    optimizer: Optimizer = construct(where, cls, given, spec.kwargs)
    trial: Optimizer = construct(where, cls, {"params": [trial_parameter()]}, spec.kwargs)
    with Refusing(where, cls, spec.kwargs):  # some arguments torch checks only at a step
        trial.step()
    return optimizer


def is_same_fused(spec: Named, parameters: Iterable[nn.Parameter]) -> bool:
    """Tell whether one fused step has the same bits as torch's default, and so is better.

    Measured on a CPU: that of SGD without momentum takes 0.88 to 0.96 of the time. With momentum,
    and of Adam, AdamW and Adagrad, the last bits differ; `fused: true` asks for them.
    """
    has_momentum = spec.kwargs.get("momentum", 0) != 0
    if spec.name != "SGD" or has_momentum or spec.kwargs.keys() & IMPLEMENTATIONS:
        return False
    return all(p.device.type == "cpu" and p.is_floating_point() for p in parameters)


def trial_parameter() -> nn.Parameter:
    """Make up a parameter, and its gradient."""
    parameter = nn.Parameter(torch.zeros(2, 2))
    parameter.grad = torch.zeros(2, 2)
    return parameter


def build_own(where: str, spec: Named, network: nn.Module) -> Optimizer:
    """Build an optimizer of the user's own, called with `params` and the other keys.

    An error in its step shows his traceback, too.
    """
    cls = own_class(where, spec.name, Optimizer, "torch.optim.Optimizer")

    def build(parameters: list[nn.Parameter]) -> Optimizer:
        given = {"params": parameters}
        optimizer: Optimizer = construct_own(where, spec.name, cls, given, spec.kwargs)
        return optimizer

    def step(optimizer: Optimizer, *arguments: Any) -> Any:
        with OwnCode(where, spec.name):
            return cls.step(optimizer, *arguments)  # type: ignore[attr-defined]

    trial = build([trial_parameter()])
    if any("lr" not in group for group in trial.param_groups):
        raise InputError(where, spec.name, "a learning rate `lr` among its defaults")
    step(trial)
    optimizer = build(list(network.parameters()))
    optimizer.step = MethodType(step, optimizer)  # type: ignore[method-assign]
    return optimizer
