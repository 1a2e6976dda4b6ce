"""Every option of train with every kind of bad value: one line before training, exit status 1."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src import train
from src.cli import SAME_BYTES, guarded
from tests.conftest import YAML_
from tests.test_train import pass_all, write_prepared

GOOD: dict[str, Any] = {
    "seed": 1,
    "model": {"name": "mlp", "hidden": [8]},
    "loss": {"name": "CrossEntropyLoss"},
    "optimizer": {"name": "SGD", "lr": 0.1},
    "epochs": 2,
    "batch_size": 50,
}
NAN, INFINITE, HUGE = float("nan"), float("inf"), 10**30
NO_NUMBER: list[Any] = [None, True, "a", [1], {"a": 1}, NAN, INFINITE, -1, HUGE]
NO_COUNT = [*NO_NUMBER, 0, 1.5]
NO_FLAG: list[Any] = [None, 1, "no", [True], {"a": 1}]
NO_CHOICE: list[Any] = [None, 5, True, "none", "", ["loss"], {"a": 1}]
NO_SIZES = [value for value in [*NO_COUNT, [0], ["a"], [1.5], [[8]]] if value != [1]]
NO_LIST: list[Any] = [5, "a", [], [5], [{}]]
NO_CLASS: list[Any] = [
    {},
    5,
    True,
    "SGD",
    {"name": None},
    {"name": 5},
    {"name": ""},
    {"name": "Nothing"},
    {"name": "no_such:Class"},
    {"name": "tests.own:NoSuch"},
    {"name": "tests.own:Path"},
    {"name": "tests.own:"},
    {"name": ":Net"},
]


def with_name(name: str, *arguments: dict[str, Any]) -> list[Any]:
    return [{"name": name, **one} for one in arguments]


BAD: dict[str, list[Any]] = {
    "seed": NO_NUMBER,
    "model": [
        None,
        *NO_CLASS,
        *with_name("mlp", {}, *({"hidden": value} for value in NO_SIZES)),
        *with_name("mlp", *({"hidden": [8], "dropout": value} for value in (-1, 2, "a", [1], NAN))),
        *with_name("mlp", *({"hidden": [8], "skip": value} for value in ("yes", 1, 0.5, None))),
        *with_name("mlp", {"hidden": [8], "hiden": [8]}, {"hidden": [HUGE]}),
        *with_name("linear", {"hidden": [8]}),
        *with_name("cnn", {}, *({"channels": value} for value in (5, "a", [], [0], [2, 2], None))),
        *with_name("cnn", *({"channels": [1], "hidden": value} for value in (0, "a", 1.5, None))),
        *with_name("cnn", *({"channels": [1], "mirror": value} for value in ("yes", 1, 0.5, None))),
        *with_name("tests.own:Net", {}, {"width": 5, "depth": 5}),
    ],
    "loss": [
        *NO_CLASS,
        *with_name(
            "CrossEntropyLoss", {"weigth": [1, 1, 1]}, {"reduction": "sum"}, {"reduction": 5}
        ),
        *with_name(
            "CrossEntropyLoss", {"weight": [1, 1]}, {"weight": ["a"]}, {"weight": [0, 0, 0]}
        ),
        *with_name(
            "CrossEntropyLoss", {"weight": [1, 1, -1]}, {"weight": 5}, {"weight": [1, 1, NAN]}
        ),
        *with_name("CrossEntropyLoss", {"label_smoothing": 2}, {"label_smoothing": "a"}),
        *with_name("CrossEntropyLoss", {"size_average": False}, {"ignore_index": "a"}),
        *with_name("MultiMarginLoss", {"p": 3}, {"margin": "a"}),
        *with_name("KLDivLoss", {"log_target": "no"}, {"log_target": True}),
        *with_name("PoissonNLLLoss", {}),
        *with_name(
            "tests.own:Focal", {"gama": 1}, {"like": "Focal"}, {"like": "HingeEmbeddingLoss"}
        ),
        *with_name(
            "tests.own:OddLoss", {}, *({"kind": kind} for kind in ("trained", "detached", "odd"))
        ),
    ],
    "optimizer": [
        None,
        *NO_CLASS,
        *with_name(
            "SGD", *({"lr": value} for value in (None, "a", [1], {"a": 1}, NAN, INFINITE, -1))
        ),
        *with_name("SGD", {"lr": 0.1, "momentum": -1}, {"lr": 0.1, "momentum": "a"}, {"lr": HUGE}),
        *with_name("SGD", {"lr": 0.1, "nesterov": True}, {"lr": 0.1, "weight_decay": -1}),
        *with_name("SGD", {"lrr": 0.1}, {"lr": 0.1, "momentum": [0.9]}),
        *with_name("SGD", *({"lr": 0.1, "maximize": value} for value in NO_FLAG)),
        *with_name("SGD", *({"lr": 0.1, "fused": value} for value in NO_FLAG[1:])),
        *with_name("SGD", *({"lr": 0.1, "foreach": value} for value in NO_FLAG[1:])),
        *with_name(
            "AdamW", *({"betas": value} for value in (0.9, [0.9], "ab", [0.9, 2], [-1, 0.9]))
        ),
        *with_name("AdamW", {"eps": -1}, {"amsgrad": "no"}, {"fused": True, "foreach": True}),
        *with_name("AdamW", {"capturable": True}, {"differentiable": True}),
        *with_name("RMSprop", {"fused": True}),
        *with_name("LBFGS", {}),
        *with_name("SparseAdam", {}),
        *with_name("Muon", {}),  # of matrices alone
        *with_name("tests.own:Descent", {}, {"lr": 0.1, "fail": 1}),
    ],
    "scheduler": [
        *NO_CLASS,
        [],
        [5],
        [None],
        [{}],
        [{"name": "StepLR", "step_size": 1}],
        *with_name("StepLR", {}, *({"step_size": value} for value in NO_COUNT if value != HUGE)),
        *with_name("StepLR", *({"step_size": 1, "every": value} for value in NO_CHOICE[1:])),
        *with_name(
            "StepLR", *({"step_size": 1, "until": value} for value in (0, 1, "a", True, 1.5))
        ),
        *with_name(
            "StepLR", *({"step_size": 1, "gamma": value} for value in ("a", None, [1], NAN, -1))
        ),
        *with_name("StepLR", {"step_size": 1, "schedulers": []}, {"step_size": 1, "gama": 1}),
        *with_name("ChainedScheduler", {}, *({"schedulers": value} for value in NO_LIST)),
        *with_name("SequentialLR", {}, {"schedulers": [], "milestones": []}),
        *with_name("LambdaLR", {}, {"lr_lambda": "a"}),
        *with_name(
            "CosineAnnealingLR", *({"T_max": value} for value in [*NO_COUNT, 1] if value != HUGE)
        ),
        *with_name(
            "OneCycleLR", {"max_lr": 1}, {"max_lr": 1, "total_steps": 1}, {"total_steps": 2}
        ),
        *with_name(
            "OneCycleLR", *({"max_lr": "a", "total_steps": value} for value in (2, "a", 0, None))
        ),
        *with_name("OneCycleLR", {"max_lr": 1, "total_steps": 2, "three_phase": "no"}),
        *with_name("tests.own:Halving", {"fail": 1}),
    ],
    "epochs": [*NO_COUNT],
    "batch_size": [*NO_COUNT],
    "shuffle": [*NO_FLAG],
    "scale": [*NO_CHOICE],
    "monitor": [*NO_CHOICE, "r2"],
    "patience": [value for value in NO_COUNT if value is not None],
    "clip_norm": [0, *(value for value in NO_NUMBER if value not in (None, HUGE))],
    "average": [5, True, "ema", [0.9], {"dekay": 0.9}, *({"decay": n} for n in [0, 1, *NO_NUMBER])],
    "augment": [
        5,
        True,
        "flip",
        {},
        {"flop": True},
        *({"flip": value} for value in (*NO_FLAG, False, True)),  # the data are no images
        *({"shift": value} for value in NO_COUNT),
    ],
    "device": [*NO_CHOICE, "gpu", "cuda:", "cuda:99", "cpu:0"],
    "precision": [*NO_CHOICE, "float16", "tf32"],
    "compile": [*NO_CHOICE, "max"],
    "processes": [*NO_COUNT, 51],
    "threads": [*NO_COUNT],
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    write_prepared(folder, "classification")
    pass_all(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in a folder where no epoch may begin, and undo what the command line changes."""

    def begun(*_: object) -> None:
        raise AssertionError("it trains")

    monkeypatch.setattr(train, "train_epoch", begun)
    monkeypatch.chdir(tmp_path)
    for name, value in SAME_BYTES.items():
        monkeypatch.setenv(name, value)
    handler = signal.getsignal(signal.SIGINT)
    yield tmp_path
    signal.signal(signal.SIGINT, handler)


def test_every_option_has_bad_values() -> None:
    assert {*BAD} == {*train.Train.model_fields}


def cases() -> Iterator[Any]:
    for option, values in BAD.items():
        for value in values:
            yield pytest.param(option, value, id=f"{option} {value}")


@pytest.mark.filterwarnings("ignore:size_average and reduce")  # torch of the old arguments
@pytest.mark.parametrize(("option", "value"), [*cases()])
def test_a_bad_value_is_one_line_before_training(
    option: str, value: Any, prepared: Path, folder: Path
) -> None:
    with (folder / "params.yaml").open("w") as file:
        YAML_.dump({"train": {**GOOD, option: value}}, file)
    out = folder / "out"
    with pytest.raises(SystemExit) as ended:
        guarded("train", lambda: train.run(train.Params.load(), prepared, prepared, out))
    line = ended.value.code  # text is printed to stderr, and the exit status is 1
    assert isinstance(line, str)
    assert line.startswith(f"train: params.yaml: train.{option}")
    assert "; expected " in line
    assert "\n" not in line
    assert not out.exists()


def test_the_good_values_train(prepared: Path, folder: Path) -> None:
    with (folder / "params.yaml").open("w") as file:
        YAML_.dump({"train": GOOD}, file)
    with pytest.raises(AssertionError, match="it trains"):
        train.run(train.Params.load(), prepared, prepared, folder / "out")
