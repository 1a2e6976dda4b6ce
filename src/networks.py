"""The models: `mlp`, `linear`, `cnn`, or a class of your own."""

import importlib
import inspect
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from src.errors import InputError, one_of, shown


def check_sizes(**sizes: list[int]) -> None:
    """torch makes layers of size 0, which learn nothing."""
    for name, values in sizes.items():
        if any(value < 1 for value in values):
            raise ValueError(f"{name} must be 1 or more")


class MLP(nn.Module):
    """fc1 → relu → … → fc: hidden [128] is the two-layer textbook network. [rows, inputs] → [rows, outputs]"""

    def __init__(self, inputs: int, outputs: int, hidden: list[int], dropout: float = 0.0) -> None:
        super().__init__()
        check_sizes(hidden=hidden)
        sizes = [inputs, *hidden]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layers(x)
        return outputs


class Linear(MLP):
    """One linear layer: logistic or linear regression."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, hidden=[])


class CNN(nn.Module):
    """Convolution, max pooling, batch norm and relu, once a channel count, then two linear layers.

    Rows are square images of one channel, pixel by pixel: [rows, side²] → [rows, outputs].
    Pooling first leaves batch norm and relu a quarter of the pixels. Memory is channels last: faster on CPUs.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        channels: list[int],
        hidden: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_sizes(channels=channels, hidden=[hidden])
        self.side = math.isqrt(inputs)
        if self.side**2 != inputs:
            raise ValueError(f"{inputs} features are no square image")
        if self.side >> len(channels) == 0:
            raise ValueError(
                f"{len(channels)} poolings leave nothing of {self.side} x {self.side} pixels"
            )
        blocks: list[nn.Module] = []
        for before, after in zip([1, *channels], channels, strict=False):
            blocks += [
                nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.blocks = nn.Sequential(*blocks).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        flat = channels[-1] * (self.side >> len(channels)) ** 2
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(flat, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        images = x.view(-1, 1, self.side, self.side)
        outputs: Tensor = self.head(self.blocks(images).flatten(1))
        return outputs


NETWORKS: dict[str, type[nn.Module]] = {"mlp": MLP, "linear": Linear, "cnn": CNN}


def build(where: str, name: str, kwargs: dict[str, Any], inputs: int, outputs: int) -> nn.Module:
    """The named network for so many features and outputs; InputError if name or arguments are wrong."""
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, TypeError, ValueError) as e:
            raise InputError(
                f"{where}.name", f"{shown(name)} ({e})", "an importable module:Class"
            ) from None
    elif name in NETWORKS:
        found = NETWORKS[name]
    else:
        raise InputError(
            f"{where}.name", shown(name), f"{one_of(NETWORKS, name)}, or your.module:Class"
        )
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        raise InputError(f"{where}.name", shown(name), "a class of torch.nn.Module")
    network: nn.Module = construct(where, found, {"inputs": inputs, "outputs": outputs}, kwargs)
    return network


def construct(where: str, cls: Any, given: dict[str, Any], kwargs: dict[str, Any]) -> Any:
    """Calls the class; InputError names the unknown, missing or refused argument."""
    parameters = inspect.signature(cls).parameters
    free = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [n for n in parameters if n not in given]
    for key in kwargs:
        if key not in known and not free:
            raise InputError(
                f"{where}.{key}", "an unknown argument", one_of(known, key) if known else "none"
            )
    with refusing(where, cls, kwargs):
        return cls(**given, **kwargs)


@contextmanager
def refusing(where: str, cls: type, kwargs: dict[str, Any]) -> Iterator[None]:
    """Whatever torch raises of a wrong argument, at once or at its first use, as an InputError."""
    try:
        yield
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as e:
        name = f"{cls.__module__}.{cls.__name__}"
        raise InputError(where, shown(kwargs), f"arguments that {name} takes ({e})") from None


def seeded(seed: int) -> torch.Generator:
    """A generator for the order of rows, so that a new layer of the model changes no order."""
    return torch.Generator().manual_seed(seed)
