"""A loss of torch.nn by name: the targets it wants and the probabilities its outputs mean."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.errors import InputError, one_of, shown
from src.networks import construct
from src.schema import Task

INDEX = {
    "CrossEntropyLoss",
    "NLLLoss",
    "MultiMarginLoss",
}  # take class indices; others a float a class
REFUSED = {  # train these outputs towards something else than what is predicted
    "classification": {"HingeEmbeddingLoss", "PoissonNLLLoss"},
    "regression": {
        "BCELoss",
        "BCEWithLogitsLoss",
        "CrossEntropyLoss",
        "HingeEmbeddingLoss",
        "KLDivLoss",
    }
    | {"MultiLabelSoftMarginLoss", "PoissonNLLLoss", "SoftMarginLoss"},
}
LOG_PROBABILITIES = {
    "NLLLoss",
    "KLDivLoss",
}  # want log probabilities where the network gives logits
SIGMOIDS = {"BCEWithLogitsLoss", "BCELoss", "MultiLabelSoftMarginLoss", "SoftMarginLoss"}
DISTANCES = {
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "HuberLoss",
}  # train outputs towards 0 and 1 themselves
SIGNS = {"SoftMarginLoss"}  # targets -1 and 1


class Objective(NamedTuple):
    """criterion(outputs [rows, n], targets) → scalar loss; targets(encoded) makes what it takes."""

    criterion: nn.Module
    targets: Callable[[Tensor], Tensor]


class After(nn.Module):
    """A loss of activated outputs."""

    def __init__(self, activation: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.activation, self.loss = activation, loss

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = self.loss(self.activation(outputs), targets)
        return loss


def objective(where: str, name: str, kwargs: dict[str, Any], task: Task, outputs: int) -> Objective:
    """The named loss for so many outputs; InputError if it can't train this task."""
    known = sorted(n for n in dir(nn) if n.endswith("Loss"))
    if name not in known:
        raise InputError(f"{where}.name", shown(name), f"a loss of torch.nn: {one_of(known, name)}")
    if name in REFUSED[task]:
        raise InputError(
            f"{where}.name", name, f"a loss whose smallest value is the best prediction of {task}"
        )
    if kwargs.get("reduction", "mean") not in ("mean", "batchmean"):
        raise InputError(f"{where}.reduction", shown(kwargs["reduction"]), "mean")
    kwargs = {
        k: _weights(f"{where}.{k}", v) if isinstance(v, list) else v for k, v in kwargs.items()
    }
    criterion: nn.Module = construct(where, getattr(nn, name), {}, kwargs)
    if name in LOG_PROBABILITIES and task == "classification":
        criterion = After(nn.LogSoftmax(dim=1), criterion)
    if name == "BCELoss":
        criterion = After(nn.Sigmoid(), criterion)
    targets = target_form(name, task, outputs)
    _try(where, name, Objective(criterion, targets), task, outputs)
    return Objective(criterion, targets)


def _weights(where: str, values: list[Any]) -> Tensor:
    """A list in params.yaml, such as a weight for each class, as float32."""
    if not all(isinstance(v, int | float) for v in values):
        raise InputError(where, shown(values), "numbers, one a class")
    return torch.tensor(values, dtype=torch.float32)


def target_form(name: str, task: Task, classes: int) -> Callable[[Tensor], Tensor]:
    """int64 [rows] stays as it is for losses of class indices; the others take float32 [rows, classes]."""
    if task == "regression" or name in INDEX:
        return lambda encoded: encoded
    low = -1.0 if name in SIGNS else 0.0
    return lambda encoded: F.one_hot(encoded, classes).float() * (1.0 - low) + low


def _try(where: str, name: str, made: Objective, task: Task, outputs: int) -> None:
    """One loss of two made-up rows: what it refuses here it would refuse in the middle of training."""
    logits = torch.zeros(2, outputs, requires_grad=True)
    encoded = (
        torch.tensor([[-1.5], [1.5]]) if task == "regression" else torch.zeros(2, dtype=torch.int64)
    )
    try:
        loss = made.criterion(logits, made.targets(encoded))
        scalar = isinstance(loss, Tensor) and loss.ndim == 0
        if scalar:
            loss.backward()
    except (TypeError, ValueError, RuntimeError, IndexError) as e:
        raise InputError(
            where, shown(name), f"a loss of outputs and targets for {task} ({e})"
        ) from None
    assert scalar, name
    if not loss.isfinite():
        raise InputError(where, shown(name), f"a loss that is finite for any targets of {task}")


def probabilities(name: str, outputs: Tensor) -> Tensor:
    """Class probabilities [rows, classes] that add up to 1, from outputs trained with the named loss."""
    if name in SIGMOIDS:
        positive = outputs.sigmoid()
    elif name in DISTANCES:
        positive = outputs.clamp(1e-6, 1.0)
    else:
        return outputs.softmax(dim=1)
    return positive / positive.sum(dim=1, keepdim=True)
