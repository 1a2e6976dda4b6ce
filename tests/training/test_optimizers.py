"""Optimizers: fused where the bits are the same, as asked where not, and classes of one's own."""

from typing import Any

import pytest
import torch
from torch import nn

from src.errors import InputError, OwnCodeError
from src.params import Named
from src.training.optimizers import build_optimizer
from tests.test_train import params, same_weights, textbook, trained


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(37, 53), nn.ReLU(), nn.Linear(53, 1))


def built(net: nn.Module, **spec: Any) -> torch.optim.Optimizer:
    return build_optimizer("train.optimizer", Named(**spec), net)


def after_steps(net: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
    draw = torch.Generator().manual_seed(2)
    for _ in range(20):
        loss = net(torch.randn(9, 37, generator=draw)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


@pytest.mark.parametrize(
    "arguments", [{}, {"weight_decay": 0.01}, {"maximize": True}, {"momentum": 0}, {"lr": 0}]
)
def test_sgd_is_fused_where_that_changes_no_bit(arguments: dict[str, Any]) -> None:
    arguments = {"lr": 0.01, **arguments}
    net, other = network(), network()
    optimizer = built(net, name="SGD", **arguments)
    assert optimizer.defaults["fused"]
    plain = torch.optim.SGD(other.parameters(), **arguments)
    assert same_weights(after_steps(net, optimizer), after_steps(other, plain))


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "SGD", "momentum": 0.9},
        {"name": "SGD", "foreach": True},
        {"name": "SGD", "fused": False},
        {"name": "AdamW"},
        {"name": "RMSprop"},
    ],
)
def test_others_are_as_torch_makes_them(spec: dict[str, Any]) -> None:
    net, other = network(), network()
    arguments = {key: value for key, value in spec.items() if key != "name"}
    optimizer = built(net, **spec)
    assert not optimizer.defaults.get("fused")
    plain = getattr(torch.optim, spec["name"])(other.parameters(), **arguments)
    assert same_weights(after_steps(net, optimizer), after_steps(other, plain))


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
@pytest.mark.parametrize("arguments", [{"fused": True}, {"foreach": True}])
def test_what_is_asked_for_trains(name: str, arguments: dict[str, Any]) -> None:
    if name == "SGD":
        arguments = {**arguments, "momentum": 0.9}
    p = params(optimizer={"name": name, "lr": 0.01, **arguments}, epochs=2)
    _, history = trained(p, "regression")
    assert history[-1]["val_loss"] < history[0]["val_loss"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "RMSprop", "fused": True}, "train.optimizer.fused: found an unknown argument"),
        ({"name": "Adam", "fused": True, "foreach": True}, "cannot be `True` together"),
        ({"name": "Adam", "fused": True, "differentiable": True}, "train.optimizer: found"),
        ({"name": "tests.own:Net", "lr": 0.1}, "a class of torch.optim.Optimizer"),
        ({"name": "tests.own:Descent"}, "missing a required argument: 'lr'"),
        ({"name": "tests.own:Descent", "l": 1}, "train.optimizer.l: found an unknown argument"),
        ({"name": "tests.own:Desent"}, "an importable module:Class"),
        ({"name": "tests.own:Gain"}, "found tests.own:Gain; expected a learning rate `lr` among"),
    ],
)
def test_what_is_refused_is_one_line(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        built(network(), **spec)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_ones_own_trains_like_the_textbook() -> None:
    model, _ = trained(params(optimizer={"name": "tests.own:Descent", "lr": 0.1}), "regression")
    net, _ = textbook("regression", 1, nn.MSELoss(), lr=0.1)
    assert same_weights(model.network, net)


@pytest.mark.parametrize("fails", [1, 20])
def test_an_error_in_its_step_is_his(fails: int) -> None:
    p = params(optimizer={"name": "tests.own:Descent", "lr": 0.1, "fails": fails})
    with pytest.raises(OwnCodeError, match=r"optimizer: tests\.own:Descent raised LookupError"):
        trained(p, "regression")
