"""Builds the loss of torch.nn that params.yaml names, its targets and its probabilities."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.construct import construct
from src.errors import InputError, one_of, shown
from src.schema import Task

LOSSES = sorted(name for name in dir(nn) if name.endswith("Loss"))
# These take class indices; the others take a float for each class.
INDEX = {"CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"}
# These train the outputs towards something else than what is predicted.
REFUSED = {
    "classification": {"HingeEmbeddingLoss", "PoissonNLLLoss"},
    "regression": {
        "BCELoss",
        "BCEWithLogitsLoss",
        "CrossEntropyLoss",
        "HingeEmbeddingLoss",
        "KLDivLoss",
        "MultiLabelSoftMarginLoss",
        "PoissonNLLLoss",
        "SoftMarginLoss",
    },
}
# What makes of the network's logits what these take: log probabilities or probabilities.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "NLLLoss": partial(nn.LogSoftmax, dim=1),
    "KLDivLoss": partial(nn.LogSoftmax, dim=1),
    "BCELoss": nn.Sigmoid,
}
SIGMOIDS = {"BCEWithLogitsLoss", "BCELoss", "MultiLabelSoftMarginLoss", "SoftMarginLoss"}
# These train the outputs themselves towards 0 and 1.
DISTANCES = {"MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"}
SIGNS = {"SoftMarginLoss"}  # takes targets of -1 and 1


class Loss(NamedTuple):
    """Holds criterion(outputs [rows, n], targets) → scalar, and what makes its targets.

    targets takes encoded targets, as `Encoder.targets` gives them.
    """

    criterion: nn.Module
    targets: Callable[[Tensor], Tensor]


class Activated(nn.Module):
    """Applies an activation to the outputs, then a loss."""

    def __init__(self, activation: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.activation, self.loss = activation, loss

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = self.loss(self.activation(outputs), targets)
        return loss


def build_loss(where: str, name: str, kwargs: dict[str, Any], task: Task, outputs: int) -> Loss:
    """Build the named loss for so many outputs; raise InputError if it can't train this task."""
    check_name(f"{where}.name", name, task)
    if kwargs.get("reduction", "mean") not in ("mean", "batchmean"):
        raise InputError(f"{where}.reduction", shown(kwargs["reduction"]), "mean")
    arguments = {}
    for key, value in kwargs.items():
        is_weights = isinstance(value, list)
        arguments[key] = weights(f"{where}.{key}", value) if is_weights else value
    criterion: nn.Module = construct(where, getattr(nn, name), {}, arguments)
    if name in ACTIVATIONS:
        criterion = Activated(ACTIVATIONS[name](), criterion)
    loss = Loss(criterion, target_form(name, task, outputs))
    check_trial(where, name, loss, task, outputs)
    return loss


def check_name(where: str, name: str, task: Task) -> None:
    """Raise InputError for a name that is no loss of torch.nn, or none for the task."""
    if name not in LOSSES:
        raise InputError(where, shown(name), f"a loss of torch.nn: {one_of(LOSSES, name)}")
    if name in REFUSED[task]:
        expected = f"a loss whose smallest value is the best prediction of {task}"
        raise InputError(where, name, expected)


def weights(where: str, values: list[Any]) -> Tensor:
    """Turn a list in params.yaml, such as a weight for each class, into float32 [classes]."""
    if not all(isinstance(value, int | float) for value in values):
        raise InputError(where, shown(values), "numbers, one a class")
    return torch.tensor(values, dtype=torch.float32)


def target_form(name: str, task: Task, classes: int) -> Callable[[Tensor], Tensor]:
    """Choose what makes the loss's targets of encoded ones.

    Losses of class indices take int64 [rows] as they are, the others float32 [rows, classes].
    """
    if task == "regression" or name in INDEX:
        return lambda encoded: encoded
    low = -1.0 if name in SIGNS else 0.0
    return lambda encoded: F.one_hot(encoded, classes).float() * (1.0 - low) + low


def check_trial(where: str, name: str, loss: Loss, task: Task, outputs: int) -> None:
    """Compute the loss of two rows: what it refuses here it would refuse in the middle of training.

    Raises InputError if it refuses them, or is not finite.
    """
    logits = torch.zeros(2, outputs, requires_grad=True)
    encoded = torch.zeros(2, dtype=torch.int64)
    if task == "regression":
        encoded = torch.tensor([[-1.5], [1.5]])
    try:
        value = loss.criterion(logits, loss.targets(encoded))
        is_scalar = isinstance(value, Tensor) and value.ndim == 0
        if is_scalar:
            value.backward()
    except (TypeError, ValueError, RuntimeError, IndexError) as e:
        expected = f"a loss of outputs and targets for {task} ({e})"
        raise InputError(where, shown(name), expected) from None
    assert is_scalar, name
    if not value.isfinite():
        raise InputError(where, shown(name), f"a loss that is finite for any targets of {task}")


def probabilities(name: str, outputs: Tensor) -> Tensor:
    """Turn outputs trained with the named loss into class probabilities that add up to 1.

    [rows, classes] → [rows, classes]
    """
    if name in SIGMOIDS:
        positive = outputs.sigmoid()
    elif name in DISTANCES:
        positive = outputs.clamp(1e-6, 1.0)
    else:
        return outputs.softmax(dim=1)
    return positive / positive.sum(dim=1, keepdim=True)
