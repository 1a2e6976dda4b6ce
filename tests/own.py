"""Define a network of a user's own, for params to name."""

from torch import Tensor, nn


class Net(nn.Module):
    """Runs one hidden layer of `width` units."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layers(x)
        return outputs
