"""A training that is killed at any step and taken up again ends in the same bits."""

import copy
import math
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from src.models import CNN, MLP
from src.training import checkpoint, state_file
from src.training.checkpoint import Checkpoints, Generators, Position
from src.training.state_file import read_state, write_state

STEPS = 4  # an epoch
OPTIMIZERS = sorted(
    {n for n in torch.optim.__all__ if n[0].isupper()}
    - {"Optimizer", "LBFGS", "SparseAdam", "Muon"}
)
SCHEDULERS: dict[str, dict[str, Any]] = {
    "ConstantLR": {"total_iters": 1},
    "CosineAnnealingLR": {"T_max": 3},
    "CosineAnnealingWarmRestarts": {"T_0": 4},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1},
    "ExponentialLR": {"gamma": 0.9},
    "LinearLR": {},
    "MultiStepLR": {"milestones": [1, 5, 5]},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 100},
    "PolynomialLR": {},
    "ReduceLROnPlateau": {"patience": 0, "threshold": 1e9, "threshold_mode": "abs"},
    "StepLR": {"step_size": 2},
}


class Killed(BaseException):
    """Stands for SIGKILL at a step."""


class Best:
    """Holds the weights of the best epoch."""

    def __init__(self, network: nn.Module) -> None:
        self.weights: dict[str, Tensor] = copy.deepcopy(network.state_dict())

    def state_dict(self) -> dict[str, Tensor]:
        return self.weights

    def load_state_dict(self, state: dict[str, Tensor], /) -> None:
        self.weights = state


def cnn() -> nn.Module:
    return CNN(16, 3, [2, 3], hidden=5, dropout=0.3)


def mlp() -> nn.Module:
    return MLP(16, 3, [6], dropout=0.3)


def train(
    folder: Path | None,
    epochs: int = 3,
    *,
    build: Callable[[], nn.Module] = mlp,
    optimizer: str = "SGD",
    scheduler: str | None = None,
    killed_at: int | None = None,
    **kwargs: Any,
) -> tuple[list[Tensor], list[dict[str, float]]]:
    """Train a little, with a checkpoint after each step.

    killed_at: after how many steps of this process it ends. Returns all that a training leaves:
    the best weights, the last ones, and the history.
    """
    torch.manual_seed(7)
    network = build()
    built = getattr(torch.optim, optimizer)(network.parameters(), lr=0.05, **kwargs)
    rates = None
    if scheduler is not None:
        rates = getattr(lr_scheduler, scheduler)(built, **SCHEDULERS[scheduler])
    data = torch.Generator().manual_seed(3)
    x, y = torch.randn(STEPS * 8, 16, generator=data), torch.arange(STEPS * 8) % 3
    best = Best(network)
    parts: dict[str, Any] = {"network": network, "optimizer": built, "best": best}
    if rates is not None:
        parts["scheduler"] = rates
    checkpoints = Checkpoints(folder, 1e-9)
    position = checkpoints.resume({**parts, "generators": Generators(torch.device("cpu"))}, epochs)
    steps = 0
    for epoch in range(position.epoch, epochs + 1):
        for step in range(position.step, STEPS):
            rows = slice(step * 8, step * 8 + 8)
            network.train()
            loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
            built.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            built.step()
            if isinstance(rates, lr_scheduler.ReduceLROnPlateau):
                rates.step(loss.item())
            elif rates is not None:
                rates.step()
            position.step, position.loss_sum = step + 1, position.loss_sum + loss.item()
            if checkpoints.is_due():
                checkpoints.keep(position)
            steps += 1
            if steps == killed_at:
                raise Killed
        position.history.append({"epoch": epoch, "loss": position.loss_sum})
        if position.loss_sum < position.best:
            position.best, position.best_epoch = position.loss_sum, epoch
            best.weights = copy.deepcopy(network.state_dict())
        position.epoch, position.step, position.loss_sum = epoch + 1, 0, 0.0
    checkpoints.keep(position)
    weights = [*best.weights.values(), *network.state_dict().values()]
    return [weight.clone() for weight in weights], position.history


def same(one: Any, other: Any) -> bool:
    weights = zip(one[0], other[0], strict=True)
    return all(torch.equal(a, b) for a, b in weights) and bool(one[1] == other[1])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Train by one thread, and let the disk take its time: no machine fails here."""
    monkeypatch.setattr(state_file, "sync", lambda path: None)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*lr_scheduler.step.*")
        yield
    torch.set_num_threads(before)


def storm(folder: Path, killed_at: int, **recipe: Any) -> Any:
    """Train, killed after each `killed_at` steps; return what it ends in."""
    for _ in range(3 * STEPS + 1):
        try:
            return train(folder, killed_at=killed_at, **recipe)
        except Killed:
            pass
    raise AssertionError("it never ended")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_goes_on_exactly(optimizer: str, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"optimizer": optimizer, "build": cnn}
    assert same(storm(tmp_path, 5, **recipe), train(None, **recipe))


@pytest.mark.parametrize("killed_at", [1, 3, 4, 7])
def test_any_step_may_be_the_last(killed_at: int, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"optimizer": "AdamW", "build": cnn}
    assert same(storm(tmp_path, killed_at, **recipe), train(None, **recipe))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_goes_on_exactly(scheduler: str, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"scheduler": scheduler, "momentum": 0.9}
    assert same(storm(tmp_path, 3, **recipe), train(None, **recipe))


@pytest.mark.parametrize(("first", "then"), [(3, 5), (1, 2), (5, 5)])
def test_more_epochs_train_on_from_the_last(first: int, then: int, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {"optimizer": "AdamW", "scheduler": "StepLR", "build": cnn}
    train(tmp_path, first, **recipe)
    steps = (then - first) * STEPS
    going_on = train(tmp_path, then, killed_at=steps + 1, **recipe)  # no step more
    assert same(going_on, train(None, then, **recipe))


def test_fewer_epochs_are_there_where_the_best_one_is_among_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    five = train(tmp_path, 5)
    losses = [row["loss"] for row in five[1]]
    best = losses.index(min(losses)) + 1
    assert best > 1
    files = sorted(tmp_path.iterdir())
    _, history = train(tmp_path, best, killed_at=1)
    assert history == five[1][:best]
    assert sorted(tmp_path.iterdir()) == files
    assert same(train(tmp_path, 5, killed_at=1), five)
    capsys.readouterr()
    assert same(train(tmp_path, 1), train(None, 1))
    expected = f"epoch {best}, the best so far, is after the 1 asked for"
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["flipped", "torn", "empty", "longer"])
def test_a_damaged_checkpoint_is_seen_and_the_one_before_is_taken(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        train(tmp_path, killed_at=7)
    before, newest = sorted(tmp_path.iterdir())
    content = newest.read_bytes()
    damaged = {
        "flipped": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        "torn": content[: len(content) // 2],
        "empty": b"",
        "longer": content + b"\0",
    }
    newest.write_bytes(damaged[damage])
    assert same(train(tmp_path), train(None))
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"checkpoint: {newest}: found it damaged; the one before is taken if there is one",
        "checkpoint: goes on from epoch 2, step 2",
    ]
    assert not before.exists()


def test_every_flipped_byte_is_seen(tmp_path: Path) -> None:
    write_state(tmp_path, "a", {"x": torch.arange(3), "n": 1})
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 4]) + content[i + 1 :])
        assert read_state(path) is None, i


def test_all_damaged_trains_from_the_start(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tmp_path, killed_at=7)
    for path in tmp_path.iterdir():
        path.write_bytes(b"?")
    assert same(train(tmp_path), train(None))


def test_two_are_kept_and_what_a_kill_left_is_removed(tmp_path: Path) -> None:
    dead, live = tmp_path / f".x-{2**22 + 1}.part", tmp_path / f".x-{os.getppid()}.part"
    dead.touch()
    live.touch()
    train(tmp_path)
    assert not dead.exists()
    assert live.exists()  # another process writes it
    assert [path.name[:18] for path in sorted(tmp_path.glob("*.safetensors"))] == [
        "0000003-0000000004",
        "0000004-0000000000",
    ]


STATES: list[Any] = [
    {"state": {0: {"step": 1.5, "x": (0.9, 0.999)}}, "flag": True, "none": None},
    {"inf": math.inf, "text": "a\n\u00e9", "big": 2**70, "tiny": 5e-324, "list": [[], {}, ()]},
    {"mapping": {"tuple": 1}, "tensor": {"tensor": "0"}, "counter": ["counter"]},
]


@pytest.mark.parametrize("state", STATES)
def test_what_state_dicts_hold_comes_back_as_it_was(state: Any, tmp_path: Path) -> None:
    write_state(tmp_path, "a", state)
    (path,) = tmp_path.iterdir()
    back = read_state(path)
    assert back == state
    assert repr(back) == repr(state)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(1.5, dtype=torch.float64),
        torch.zeros(0, 3),
        torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last),
        torch.arange(6).view(2, 3).T,
        torch.ones(1).expand(4),
        torch.tensor([True, False]),
        torch.tensor([1.0, math.nan], dtype=torch.bfloat16),
        torch.get_rng_state(),
        torch.tensor([1 + 2j]),
    ],
)
def test_tensors_come_back_with_bits_type_and_layout(tensor: Tensor, tmp_path: Path) -> None:
    write_state(tmp_path, "a", {"one": tensor, "other": tensor})
    (path,) = tmp_path.iterdir()
    back = read_state(path)
    assert back is not None
    for value in back.values():
        assert (value.dtype, value.shape) == (tensor.dtype, tensor.shape)
        assert value.stride() == torch.empty_like(tensor).stride()
        assert torch.equal(value.nan_to_num(7), tensor.nan_to_num(7))


class Odd:
    """Has a state that no checkpoint holds."""

    def state_dict(self) -> Any:
        return {"function": print}

    def load_state_dict(self, state: Any, /) -> None:
        raise AssertionError


def test_a_state_of_other_things_is_said_and_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = Checkpoints(tmp_path, 1e-9)
    checkpoints.resume({"odd": Odd()}, 3)
    checkpoints.keep(Position(step=1))
    checkpoints.keep(Position(step=2))
    assert not checkpoints.is_due()
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        "checkpoint: none is kept: the state of the training holds"
        " a builtins.builtin_function_or_method"
    )
    assert not list(tmp_path.iterdir())


def test_what_the_disk_refuses_is_said_and_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert same(train(tmp_path / "file" / "folder", 1), train(None, 1))
    lines = capsys.readouterr().out.splitlines()
    assert all("none is kept for now: [Errno" in line for line in lines)
    assert lines


def test_none_is_kept_without_a_folder_or_seconds(tmp_path: Path) -> None:
    for checkpoints in (Checkpoints(None, 1e-9), Checkpoints(tmp_path, None)):
        assert checkpoints.resume({}, 3) == Position()
        assert not checkpoints.is_due()
        checkpoints.keep(Position(step=1))
        checkpoints.clear(keep_last=True)
    assert not list(tmp_path.iterdir())


def test_the_last_is_kept_or_removed(tmp_path: Path) -> None:
    folder = tmp_path / "key"
    train(folder)
    checkpoints = Checkpoints(folder, 30)
    checkpoints.clear(keep_last=True)
    assert [path.name[:7] for path in folder.iterdir()] == ["0000004"]
    checkpoints.clear(keep_last=False)
    assert not folder.exists()


def test_the_oldest_of_others_go_when_all_take_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i, name in enumerate(["own", "oldest", "older", "new"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"?" * 100)
        os.utime(tmp_path / name, (i, i))
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 210)
    Checkpoints(tmp_path / "own", 30).clear(keep_last=True)
    assert {path.name for path in tmp_path.iterdir()} == {"own", "older", "new"}
