"""Schedules: the rates are those of torch, and what does not fit the training is one line."""

import copy
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.optim import Optimizer, lr_scheduler

from src.errors import InputError, OwnCodeError
from src.training.schedulers import SCHEDULERS, Schedule, Schedulers, build_schedule

EPOCHS, BATCHES = 12, 3
LINEAR = {"name": "LinearLR", "start_factor": 0.1, "total_iters": 4}
COSINE = {"name": "CosineAnnealingLR", "T_max": 8}
STEP = {"name": "StepLR", "step_size": 2}


def optimizer() -> Optimizer:
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    return torch.optim.SGD([parameter], lr=0.1, momentum=0.9)


def schedule(spec: Any, of: Optimizer, epochs: int = EPOCHS) -> Schedule:
    validated = TypeAdapter(Schedulers | None).validate_python(spec)
    return build_schedule("train.scheduler", validated, of, epochs, BATCHES)


def settings(of: Optimizer) -> tuple[float, float]:
    return of.param_groups[0]["lr"], of.param_groups[0]["momentum"]


def step(of: Optimizer, by: Schedule, number: int) -> None:
    """Take a step of training, after which an epoch may end; number: from 1."""
    of.step()
    by.after_batch(torch.tensor(1.0 / number))
    if number % BATCHES == 0:
        by.after_epoch(1.0)  # no better than before


def rates(spec: Any, epochs: int = EPOCHS) -> list[tuple[float, float]]:
    """Train, and return learning rate and momentum of each batch."""
    of = optimizer()
    by = schedule(spec, of, epochs)
    found = []
    for number in range(1, epochs * BATCHES + 1):
        found.append(settings(of))
        step(of, by, number)
    return found


def by_torch(build: Any, every: int = BATCHES) -> list[tuple[float, float]]:
    """Step torch's own scheduler, which build(optimizer) returns, after so many batches."""
    of = optimizer()
    scheduler = build(of)
    found = []
    for number in range(1, EPOCHS * BATCHES + 1):
        found.append(settings(of))
        of.step()
        if number % every == 0:
            scheduler.step()
    return found


def torch_of(spec: dict[str, Any], of: Optimizer) -> Any:
    arguments = {key: value for key, value in spec.items() if key not in ("name", "until", "every")}
    return getattr(lr_scheduler, spec["name"])(of, **arguments)


LISTS: dict[str, tuple[list[dict[str, Any]], list[int]]] = {
    "warm-up, then decay": ([LINEAR, COSINE], [4]),
    "three": ([LINEAR, {**STEP, "until": 9}, {**LINEAR, "total_iters": 2}], [4, 9]),
    "until later than its length": ([{**LINEAR, "until": 6}, {**COSINE, "T_max": 6}], [6]),
    "restarts": ([LINEAR, {"name": "CosineAnnealingWarmRestarts", "T_0": 3}], [4]),
    "constant": (
        [{"name": "ConstantLR", "total_iters": 2}, {"name": "PolynomialLR", "total_iters": 10}],
        [2],
    ),
    "milestones": (
        [
            {"name": "ExponentialLR", "gamma": 0.5, "until": 3},
            {"name": "MultiStepLR", "milestones": [2]},
        ],
        [3],
    ),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_is_torchs_sequence(kind: str) -> None:
    specs, milestones = LISTS[kind]

    def build(of: Optimizer) -> Any:
        schedulers = [torch_of(spec, of) for spec in specs]
        return lr_scheduler.SequentialLR(of, schedulers, milestones)

    assert rates(specs) == by_torch(build)


def test_a_list_steps_by_batch_where_one_of_it_says_so() -> None:
    specs = [{**LINEAR, "every": "batch"}, {**COSINE, "T_max": 32}]

    def build(of: Optimizer) -> Any:
        return lr_scheduler.SequentialLR(of, [torch_of(spec, of) for spec in specs], [4])

    assert rates(specs) == by_torch(build, every=1)


def test_a_chain_is_torchs() -> None:
    specs = [LINEAR, {**STEP, "step_size": 5}]

    def build(of: Optimizer) -> Any:
        return lr_scheduler.ChainedScheduler([torch_of(spec, of) for spec in specs], of)

    assert rates({"name": "ChainedScheduler", "schedulers": specs}) == by_torch(build)


ALL: dict[str, Any] = {
    "none": None,
    "ConstantLR": {"total_iters": 1},
    "CosineAnnealingLR": {"T_max": 12},
    "CosineAnnealingWarmRestarts": {"T_0": 4},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 5, "every": "batch"},
    "ExponentialLR": {"gamma": 0.5},
    "LinearLR": {"total_iters": 3},
    "MultiStepLR": {"milestones": [1, 7]},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 36, "every": "batch"},
    "PolynomialLR": {"total_iters": 12},
    "ReduceLROnPlateau": {"patience": 1},
    "StepLR": {"step_size": 2},
    "a list": [LINEAR, COSINE],
    "a chain": {"name": "ChainedScheduler", "schedulers": [LINEAR, STEP]},
    "tests.own:Halving": {},
    "a list with one's own": [{"name": "tests.own:Halving", "until": 3}, LINEAR],
}


def named(kind: str) -> Any:
    spec = ALL[kind]
    return spec if kind.startswith(("a ", "none")) else {"name": kind, **spec}


def test_all_of_torch_that_take_no_function_are_among_them() -> None:
    assert {*SCHEDULERS} - {*ALL} == {"LambdaLR", "MultiplicativeLR"}


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("stop", [4, 16])
def test_another_process_goes_on_from_the_state_exactly(kind: str, stop: int) -> None:
    of = optimizer()
    by = schedule(named(kind), of)
    for number in range(1, stop + 1):
        step(of, by, number)
    state = copy.deepcopy((of.state_dict(), by.state_dict()))
    again = optimizer()
    by_again = schedule(named(kind), again)
    again.load_state_dict(state[0])
    by_again.load_state_dict(state[1])
    for number in range(stop + 1, EPOCHS * BATCHES + 1):
        assert settings(again) == settings(of)
        step(of, by, number)
        step(again, by_again, number)


@pytest.mark.parametrize("kind", ALL)
def test_more_epochs_begin_like_fewer(kind: str) -> None:
    """All lengths are numbers of their own, so the first epochs are those of a longer training."""
    spec = named(kind)
    if kind == "a list":
        spec = [LINEAR, {**COSINE, "T_max": 14}]
    elif kind in ("CosineAnnealingLR", "PolynomialLR", "OneCycleLR"):
        key = {"CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps"}.get(kind, "total_iters")
        spec[key] = 18 * (BATCHES if kind == "OneCycleLR" else 1)
    assert rates(spec) == rates(spec, EPOCHS + 6)[: EPOCHS * BATCHES]


FEWER = {
    # What is wrong, and what the line says of it.
    "a cosine too short": (
        {**COSINE},
        "train.scheduler: found T_max 8; expected T_max 12 or more, to last for the 12 epochs "
        "(a step is an epoch, unless every: batch)",
    ),
    "a cosine too short by batch": (
        {**COSINE, "T_max": 35, "every": "batch"},
        "found T_max 35; expected T_max 36 or more, to last for the 12 epochs of 3 batches",
    ),
    "a polynomial too short by default": (
        {"name": "PolynomialLR"},
        "found total_iters 5; expected",
    ),
    "one cycle too short": (
        {"name": "OneCycleLR", "max_lr": 0.1, "total_steps": 35, "every": "batch"},
        "found total_steps 35; expected total_steps 36 or more",
    ),
    "one cycle too short by its parts": (
        {"name": "OneCycleLR", "max_lr": 0.1, "epochs": 11, "steps_per_epoch": 3, "every": "batch"},
        "found total_steps 33; expected total_steps 36 or more",
    ),
    "one cycle of batches by epoch": (
        {"name": "OneCycleLR", "max_lr": 0.1, "total_steps": 50},
        "found a warm-up of 15 steps by total_steps; expected one of 11 or fewer, to leave it in "
        "the 12 epochs (a step is an epoch, unless every: batch)",
    ),
    "a warm-up as long as training": (
        {**LINEAR, "total_iters": 12},
        "found a warm-up of 12 steps by total_iters; expected one of 11 or fewer",
    ),
    "a constant one": (
        {"name": "ConstantLR", "total_iters": 99},
        "found a warm-up of 99 steps by total_iters",
    ),
    "a cycle's": (
        {"name": "CyclicLR", "base_lr": 0.1, "max_lr": 0.2, "every": "batch"},
        "found a warm-up of 2000 steps by step_size_up; expected one of 35 or fewer",
    ),
    "a warm-up cut off by until": (
        [{**LINEAR, "until": 3}, {**COSINE, "T_max": 9}],
        "train.scheduler[0]: found a warm-up of 4 steps by total_iters; expected one of 3 or fewer",
    ),
    "the last of a list too short": (
        [LINEAR, {**COSINE, "T_max": 7}],
        "train.scheduler[1]: found T_max 7; expected T_max 8 or more",
    ),
    "a list whose last never begins": (
        [{**LINEAR, "total_iters": 12}, COSINE],
        "train.scheduler[0]: found a scheduler until step 12; expected more than 0 and fewer than",
    ),
    "a list that goes back": (
        [{**STEP, "until": 6}, {**STEP, "until": 6}, COSINE],
        "train.scheduler[1]: found a scheduler until step 6; expected more than 6 and",
    ),
    "a list without an end": (
        [STEP, COSINE],
        "train.scheduler[0]: found StepLR, which has no end; expected `until`",
    ),
    "until in the last": ([LINEAR, {**COSINE, "until": 9}], "train.scheduler[1].until: found 9"),
    "until alone": ({**STEP, "until": 9}, "train.scheduler.until: found 9; expected none"),
    "a list of one": ([COSINE], "train.scheduler: found a list of 1; expected two"),
    "an empty list": ([], "train.scheduler: found a list of 0; expected two"),
    "two clocks": (
        [{**LINEAR, "every": "batch"}, {**COSINE, "every": "epoch"}],
        "train.scheduler: found every: epoch beside every: batch; expected one of them",
    ),
    "a plateau in a list": (
        [LINEAR, {"name": "ReduceLROnPlateau"}],
        "train.scheduler[1].name: found ReduceLROnPlateau; expected a scheduler that goes on",
    ),
    "restarts in a chain": (
        {
            "name": "ChainedScheduler",
            "schedulers": [{"name": "CosineAnnealingWarmRestarts", "T_0": 3}, STEP],
        },
        "train.scheduler.schedulers[0].name: found CosineAnnealingWarmRestarts; expected",
    ),
    "a chain of nothing": (
        {"name": "ChainedScheduler"},
        "train.scheduler.schedulers: found a list of 0; expected two",
    ),
    "a chain with more": (
        {"name": "ChainedScheduler", "schedulers": [LINEAR, STEP], "gamma": 1},
        "train.scheduler: found ChainedScheduler with {'gamma': 1}",
    ),
    "a chain in a list": (
        [{"name": "ChainedScheduler", "schedulers": [LINEAR, STEP], "until": 5}, COSINE],
        "train.scheduler[0].name: found 'ChainedScheduler'; expected it by itself",
    ),
    "torch's name of a list": (
        {"name": "SequentialLR", "milestones": [4]},
        "train.scheduler.name: found 'SequentialLR'; expected a list of schedulers",
    ),
    "a misspelt name in a list": (
        [LINEAR, {"name": "CosineAnealingLR", "T_max": 8}],
        "train.scheduler[1].name: found 'CosineAnealingLR'",
    ),
    "a step that is none": ({**STEP, "step_size": True}, "a whole number of steps from 1 on"),
    "a milestone that is none": (
        {"name": "MultiStepLR", "milestones": [1.5]},
        "found {'milestones': [1.5]}; expected a whole number of steps from 1 on for milestones",
    ),
    "a length of null": ({**LINEAR, "total_iters": None}, "a whole number of steps"),
    "a rate below 0": ({"name": "ExponentialLR", "gamma": -0.5}, "rate becomes -0.05"),
    "a highest rate below 0": (
        {"name": "OneCycleLR", "max_lr": -0.1, "total_steps": 12},
        "the learning rate becomes -0.004",
    ),
    "a rate without end": ({"name": "ExponentialLR", "gamma": 1e30}, "rate becomes 1.00000000"),
    "a momentum above 1": (
        {"name": "OneCycleLR", "max_lr": 0.1, "total_steps": 12, "base_momentum": 5},
        "the momentum becomes",
    ),
    "an error of a late step": (
        {"name": "MultiStepLR", "milestones": [11], "gamma": None},
        "found {'milestones': [11], 'gamma': None}",
    ),
    "a loss that should rise": ({"name": "ReduceLROnPlateau", "mode": "max"}, "mode min"),
    "no class of one's own": ({"name": "no_such:S"}, "an importable module:Class"),
    "another class": ({"name": "tests.own:Net"}, "a class of torch.optim.lr_scheduler.LRScheduler"),
    "an unknown argument": (
        {"name": "tests.own:Halving", "fail": 3},
        "train.scheduler.fail: found an unknown argument",
    ),
}


@pytest.mark.parametrize("kind", FEWER)
def test_what_does_not_fit_is_one_line_before_the_first_step(kind: str) -> None:
    spec, message = FEWER[kind]
    of = optimizer()
    with pytest.raises(InputError) as raised:
        schedule(spec, of)
    line = str(raised.value)
    assert message in line
    assert line.startswith("train.scheduler")
    assert "\n" not in line


def test_an_error_in_ones_own_scheduler_is_his() -> None:
    of = optimizer()
    by = schedule({"name": "tests.own:Halving", "fails": 3}, of)
    with pytest.raises(
        OwnCodeError, match=r"train\.scheduler: tests\.own:Halving raised LookupErr"
    ):
        for number in range(1, EPOCHS * BATCHES):
            step(of, by, number)
    assert settings(of)[0] == 0.1 / 4
