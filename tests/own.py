"""Define networks of a user's own, for params to name."""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """Runs one hidden layer of `width` units."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layers(x)
        return outputs


class Odd(Net):
    """Does something else than networks should, by its `kind`."""

    def __init__(self, inputs: int, outputs: int, kind: str) -> None:
        super().__init__(inputs, outputs, 5)
        self.kind = kind
        self.norm = nn.BatchNorm1d(inputs)
        self.lazy = nn.LazyLinear(outputs) if kind == "normed" else nn.Identity()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        odd = getattr(self, self.kind)
        outputs: Tensor = odd(x)
        return outputs

    def plain(self, x: Tensor) -> Tensor:
        return super().forward(x)

    def normed(self, x: Tensor) -> Tensor:
        lazy: Tensor = self.lazy(x)
        return super().forward(self.drop(self.norm(x))) + 0 * lazy

    def changing(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(0.5))

    def wide(self, x: Tensor) -> Tensor:
        return super().forward(x).repeat(1, 2)

    def squeezed(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, 0]

    def fewer(self, x: Tensor) -> Tensor:
        return super().forward(x)[:1]

    def deep(self, x: Tensor) -> Tensor:
        return super().forward(x).unsqueeze(2)

    def whole(self, x: Tensor) -> Tensor:
        return super().forward(x).long()

    def several(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(x), x

    def wide_in_evaluation(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else self.wide(x)

    def huge(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.zeros(10**15)

    def huge_list(self, x: Tensor) -> Tensor:
        return super().forward(x) + len([0] * 10**15)

    def unread(self, x: Tensor) -> Tensor:
        return super().forward(x) + Path("no such file").stat().st_size

    def exits(self, x: Tensor) -> Tensor:
        sys.exit(0)

    def undefined(self, x: Tensor) -> Tensor:
        """Return NaN for rows whose first feature is 9 deviations from the mean."""
        return super().forward(x) + (8 - x[:, :1]).log() * 0

    def infinite(self, x: Tensor) -> Tensor:
        """Return numbers whose square is infinite for such rows."""
        return super().forward(x) + torch.where(x[:, :1] > 8, 1e30, 0.0)


class Measured(nn.Module):
    """Computes with its weights as it is built, which needs their numbers."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
        self.norm = self.layer.weight.norm().item()

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layer(x)
        return outputs
