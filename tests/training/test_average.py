"""The average of weights: by hand, with batch norm's statistics, assessed and kept."""

import torch
from torch import Tensor, nn

from src.training.average import Average, build_average
from tests.test_train import params, trained


class Net(nn.Module):
    """Has a weight, a statistic, a count and a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.register_buffer("statistic", torch.zeros(()))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("mask", torch.tensor([True, False]))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def test_each_step_moves_the_average_and_a_count_is_the_last() -> None:
    net = Net()
    average = build_average("model", "mlp", net, Average(decay=0.9))
    assert average is not None
    by_hand: float | None = None
    for step in range(1, 6):
        for value in (net.weight.data, net.get_buffer("statistic"), net.get_buffer("count")):
            value.fill_(step * step)
        net.get_buffer("mask").logical_not_()
        average.update_parameters(net)
        by_hand = float(step * step) if by_hand is None else by_hand * 0.9 + step * step * 0.1
        state = average.module.state_dict()
        assert torch.allclose(state["weight"], torch.full((3,), by_hand))
        assert torch.allclose(state["statistic"], torch.tensor(by_hand))
        assert state["count"] == step * step
        assert torch.equal(state["mask"], net.get_buffer("mask"))
    assert torch.equal(net.weight.data, torch.full((3,), 25.0))  # the network is as it was trained


def test_it_goes_on_from_its_state_exactly() -> None:
    first, again = (build_average("model", "mlp", Net(), Average()) for _ in range(2))
    assert first is not None
    assert again is not None
    net = Net()
    for step in range(6):
        net.weight.data.fill_(step)
        first.update_parameters(net)
        if step == 2:
            state = {name: value.clone() for name, value in first.state_dict().items()}
            again.load_state_dict(state)
        elif step > 2:
            again.update_parameters(net)
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_the_average_is_assessed() -> None:
    _, plain = trained(params(), "regression")
    _, averaged = trained(params(average={"decay": 0.9}), "regression")
    _, latest = trained(params(average={"decay": 1e-300}), "regression")
    assert [row["train_loss"] for row in averaged] == [row["train_loss"] for row in plain]
    assert [row["val_loss"] for row in averaged] != [row["val_loss"] for row in plain]
    assert latest == plain
