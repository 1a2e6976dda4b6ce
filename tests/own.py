"""Define networks, losses, optimizers and schedulers of a user's own, for params to name."""

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


class Drifting(Net):
    """Counts steps and, if it remembers, keeps the last batch, in buffers of no `state_dict`."""

    steps: Tensor
    last: Tensor | None

    def __init__(self, inputs: int, outputs: int, remembers: bool) -> None:
        super().__init__(inputs, outputs, 5)
        self.remembers = remembers
        self.register_buffer("steps", torch.zeros(()), persistent=False)
        self.register_buffer("last", None, persistent=False)
        self.drift = nn.Identity()
        self.drift.register_buffer("steps", self.steps, persistent=False)  # the same one

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        self.steps += 1
        drift = 0.1 * self.drift.get_buffer("steps")
        if self.last is not None:
            drift = drift + self.last.mean(0)
        if self.remembers:
            self.last = x
        return super().forward(x + drift)


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


class Far(Net):
    """Returns numbers whose square is infinite for rows whose first feature is 8 deviations off."""

    def forward(self, x: Tensor) -> Tensor:
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


class Focal(nn.Module):
    """Weighs down what is right already; `like` may name a loss of torch.nn."""

    def __init__(self, like: str | None = None, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma
        if like is not None:
            self.like = like

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if targets.is_floating_point():  # one column a class
            wrong = (outputs.sigmoid() - targets).abs()
            return (-wrong.pow(self.gamma) * (1 - wrong).clamp_min(1e-6).log()).mean()
        right = outputs.log_softmax(dim=1).gather(1, targets.unsqueeze(1))
        return (-(1 - right.exp()).pow(self.gamma) * right).mean()


class OddLoss(nn.Module):
    """Does something else than losses should, by its `kind`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "trained":
            self.weight = nn.Parameter(torch.ones(()))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.kind == "misspelt":
            return self.no_such(outputs)  # type: ignore[operator, no-any-return]
        if self.kind == "detached":
            return outputs.detach().square().mean()
        return outputs.square()


class Descent(torch.optim.Optimizer):
    """Descends, and fails at its step number `fails`."""

    def __init__(self, params: list[nn.Parameter], lr: float, fails: int = 0) -> None:
        super().__init__(params, {"lr": lr})
        self.fails, self.steps = fails, 0

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        self.steps += 1
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(parameter.grad, alpha=-group["lr"])
        if self.steps == self.fails:
            raise LookupError(f"step {self.steps}")


class Gain(torch.optim.Optimizer):
    """Has no learning rate."""

    def __init__(self, params: list[nn.Parameter]) -> None:
        super().__init__(params, {"gain": 1.0})

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        raise AssertionError


class Halving(torch.optim.lr_scheduler.LRScheduler):
    """Halves the learning rate each step, and fails at step number `fails`."""

    def __init__(self, optimizer: torch.optim.Optimizer, fails: int = 0) -> None:
        self.fails = fails
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        if self.last_epoch and self.last_epoch == self.fails:
            raise LookupError(f"step {self.last_epoch}")
        return [rate * 0.5**self.last_epoch for rate in self.base_lrs]
