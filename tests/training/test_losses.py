"""A loss of one's own: its targets and probabilities are those of the loss that it is like."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from src.errors import InputError, OwnCodeError
from src.losses import build_loss, probabilities
from src.model_file import Model
from src.schema import Task
from tests.test_train import params, table, trained

FOCAL = "tests.own:Focal"


@pytest.mark.parametrize("like", [None, "CrossEntropyLoss", "BCEWithLogitsLoss", "MSELoss"])
def test_it_trains_and_the_file_needs_no_class_of_its_own(like: str | None, tmp_path: Path) -> None:
    loss = {"name": FOCAL} if like is None else {"name": FOCAL, "like": like}
    p = params(loss=loss, optimizer={"name": "Adam", "lr": 0.05}, epochs=8, scale="column")
    model, history = trained(p, "classification")
    assert history[-1]["val_accuracy"] > 0.7
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = Model.load(path)  # which trusts no class
    assert loaded.loss == (like or "CrossEntropyLoss")
    _, found = loaded.classify(table())
    outputs = model.outputs(model.encoder.features(table()))
    assert torch.equal(found, probabilities(loaded.loss, outputs))


def test_a_regression_gets_the_values() -> None:
    p = params(loss={"name": "torch.nn:L1Loss"}, epochs=1)
    by_torch = params(loss={"name": "L1Loss"}, epochs=1)
    assert trained(p, "regression")[1] == trained(by_torch, "regression")[1]


def test_its_targets_are_those_of_the_loss_that_it_is_like() -> None:
    y = torch.tensor([2, 0])
    for like, expected in (
        ("CrossEntropyLoss", y),
        ("MSELoss", F.one_hot(y, 3).float()),
        ("SoftMarginLoss", F.one_hot(y, 3).float() * 2 - 1),
    ):
        loss = build_loss("loss", FOCAL, {"like": like}, "classification", 3)
        assert torch.equal(loss.targets(y), expected)


def test_log_probabilities_go_to_a_loss_that_is_like_one_of_them() -> None:
    outputs, y = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    own = build_loss("loss", FOCAL, {"like": "NLLLoss"}, "classification", 3)
    plain = build_loss("loss", FOCAL, {}, "classification", 3)
    assert torch.allclose(own.criterion(outputs, y), plain.criterion(outputs, y))


ODD: dict[str, tuple[dict[str, Any], Task, str]] = {
    "no loss that it could be like": (
        {"name": FOCAL, "like": "Focal"},
        "classification",
        "train.loss.name, its `like`: found 'Focal'; expected a loss of torch.nn",
    ),
    "like one of another task": (
        {"name": FOCAL, "like": "CrossEntropyLoss"},
        "regression",
        "train.loss.name, its `like`: found CrossEntropyLoss; expected a loss whose smallest",
    ),
    "an unknown argument": (
        {"name": FOCAL, "gama": 1},
        "classification",
        "train.loss.gama: found an unknown argument",
    ),
    "no module": ({"name": "tests.own:table"}, "classification", "an importable module:Class"),
    "no network": ({"name": "tests.own:Path"}, "classification", "a class of torch.nn.Module"),
    "parameters": (
        {"name": "tests.own:OddLoss", "kind": "trained"},
        "classification",
        "found tests.own:OddLoss with parameters",
    ),
    "no scalar": (
        {"name": "tests.own:OddLoss", "kind": "unreduced"},
        "classification",
        "expected a loss that returns one number, the mean over rows",
    ),
    "no gradient": (
        {"name": "tests.own:OddLoss", "kind": "detached"},
        "classification",
        "does not require grad",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_loss_for_the_task_is_one_line_before_training(kind: str) -> None:
    spec, task, message = ODD[kind]
    name = spec.pop("name")
    with pytest.raises(InputError) as raised:
        build_loss("params.yaml: train.loss", name, spec, task, 3)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_error_inside_it_is_his() -> None:
    with pytest.raises(OwnCodeError, match=r"train\.loss: tests\.own:OddLoss raised Attr"):
        build_loss("train.loss", "tests.own:OddLoss", {"kind": "misspelt"}, "classification", 3)
