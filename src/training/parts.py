"""Names what the training loop is handed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from src.models import buffers_of, put_back
from src.training.augment import Augment
from src.training.order import Order
from src.training.processes import Processes
from src.training.schedulers import Schedule


class Stateful(Protocol):
    """Keeps something between steps, which a checkpoint must have."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Go back to a state."""


class WholeModule:
    """Gives and takes the state of a module with all buffers, of `persistent=False` too."""

    def __init__(self, module: nn.Module, location: torch.device) -> None:
        """Take a module, and the device that it is on."""
        self.module, self.location = module, location

    def state_dict(self) -> dict[str, Any]:
        """Return the module's own state, and the buffers."""
        return {"own": self.module.state_dict(), "buffers": buffers_of(self.module)}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go back to a state, whatever shape the buffers had in it."""
        buffers = {
            name: None if value is None else value.to(self.location)
            for name, value in state["buffers"].items()
        }
        put_back(self.module, buffers)
        self.module.load_state_dict(state["own"])


@dataclass(frozen=True)
class Parts:
    """Holds what a step is made of, each with its own state.

    network: holds the weights; forward: computes the outputs [batch, n], by the network itself, or
    by it compiled or spread over processes; autocast: what the forward pass computes in; scaler:
    keeps gradients of 16 bits from underflow.
    """

    network: nn.Module
    forward: Callable[[Tensor], Tensor]
    criterion: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    order: Order
    autocast: AbstractContextManager[Any]
    scaler: torch.amp.GradScaler
    average: AveragedModel | None = None
    augment: Augment | None = None
    processes: Processes | None = None

    @property
    def share(self) -> Callable[[Tensor], Tensor] | None:
        """Return what takes this process's rows of a batch; None: it takes all."""
        return None if self.processes is None else self.processes.share

    @property
    def assessed(self) -> nn.Module:
        """Return the network whose weights are assessed and kept."""
        return self.network if self.average is None else self.average.module

    def stateful(self) -> dict[str, Stateful]:
        """Name the parts whose state a checkpoint keeps."""
        parts: dict[str, Stateful | None] = {
            "network": self.network,
            "criterion": self.criterion,  # weights of classes, or what an own one keeps
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "order": self.order,
            "scaler": self.scaler,
            "average": self.average,
            "augment": self.augment,
        }
        location = next(self.network.parameters()).device
        stateful: dict[str, Stateful] = {}
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                stateful[name] = WholeModule(part, location)
            elif part is not None:
                stateful[name] = part
        return stateful
