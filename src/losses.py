"""Builds the loss of torch.nn, or of the user's own, its targets and its probabilities."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.construct import OwnCode, construct, construct_own, is_own, own_class
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
# Where params name none, and what a class of the user's own is like if it names none.
USUAL: dict[Task, str] = {"classification": "CrossEntropyLoss", "regression": "MSELoss"}


class Loss(NamedTuple):
    """Holds criterion(outputs [rows, n], targets) → scalar, and what makes its targets.

    targets takes encoded targets, as `Encoder.targets` gives them; name: the loss of torch.nn by
    which outputs become probabilities.
    """

    criterion: nn.Module
    targets: Callable[[Tensor], Tensor]
    name: str


class Activated(nn.Module):
    """Applies an activation to the outputs, then a loss."""

    def __init__(self, activation: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.activation, self.loss = activation, loss

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = self.loss(self.activation(outputs), targets)
        return loss


class Own(nn.Module):
    """Computes a loss of the user's own, whose errors show his traceback."""

    def __init__(self, where: str, name: str, loss: nn.Module) -> None:
        super().__init__()
        self.where, self.name, self.loss = where, name, loss

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        with OwnCode(self.where, self.name):
            loss: Tensor = self.loss(outputs, targets)
            return loss


def build_loss(where: str, name: str, kwargs: dict[str, Any], task: Task, outputs: int) -> Loss:
    """Build the named loss for so many outputs.

    Raises InputError if it can't train this task, OwnCodeError for an error in the user's own.
    """
    if is_own(name):
        like, criterion = build_own(where, name, kwargs, task)
    else:
        like, criterion = name, build_torch(where, name, kwargs, task)
    if like in ACTIVATIONS:
        criterion = Activated(ACTIVATIONS[like](), criterion)
    loss = Loss(criterion, target_form(like, task, outputs), like)
    check_trial(where, name, loss, task, outputs)
    return loss


def build_own(where: str, name: str, kwargs: dict[str, Any], task: Task) -> tuple[str, nn.Module]:
    """Build a loss of the user's own, and say what loss of torch.nn it is like.

    It gets the targets of that loss, and its outputs become the probabilities of that loss. So a
    model file needs the name of that loss alone.
    """
    cls = own_class(where, name, nn.Module, "torch.nn.Module")
    criterion: nn.Module = construct_own(where, name, cls, {}, kwargs)
    like = getattr(criterion, "like", USUAL[task])
    check_name(f"{where}.name, its `like`", like, task)
    if any(True for _ in criterion.parameters()):
        raise InputError(
            f"{where}.name", f"{name} with parameters", "a loss without, as none train"
        )
    return like, Own(where, name, criterion)


def build_torch(where: str, name: str, kwargs: dict[str, Any], task: Task) -> nn.Module:
    """Build a loss of torch.nn."""
    check_name(f"{where}.name", name, task)
    if kwargs.get("log_target"):  # KLDivLoss would take 0 and 1 for logarithms
        raise InputError(f"{where}.log_target", "true", "false: the targets are probabilities")
    arguments = {}
    for key, value in kwargs.items():
        is_weights = isinstance(value, list)
        arguments[key] = weights(f"{where}.{key}", value) if is_weights else value
    criterion: nn.Module = construct(where, getattr(nn, name), {}, arguments)
    reduction = getattr(criterion, "reduction", "mean")  # `size_average` sets it too
    if reduction not in ("mean", "batchmean"):
        raise InputError(f"{where}.reduction", shown(reduction), "mean")
    return criterion


def check_name(where: str, name: str, task: Task) -> None:
    """Raise InputError for a name that is no loss of torch.nn, or none for the task."""
    if name not in LOSSES:
        raise InputError(where, shown(name), f"a loss of torch.nn: {one_of(LOSSES, str(name))}")
    if name in REFUSED[task]:
        expected = f"a loss whose smallest value is the best prediction of {task}"
        raise InputError(where, name, expected)


def weights(where: str, values: list[Any]) -> Tensor:
    """Turn a list in params.yaml, such as a weight for each class, into float32 [classes]."""
    if not all(isinstance(value, int | float) and value >= 0 for value in values):
        raise InputError(where, shown(values), "numbers of 0 or more, one a class")
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
    if not is_scalar:
        found = f"{name}, which returns {shown(value)}"
        raise InputError(where, found, "a loss that returns one number, the mean over rows")
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
