"""What params.yaml may not say, and how the error reads."""

import copy
import importlib
from pathlib import Path
from typing import Any

import pytest

from src import prepare, train
from src.encoder import Encoder
from src.errors import InputError
from src.losses import build_loss
from src.models import build
from src.params import StageParams
from src.training.defaults import chosen_loss
from src.training.optimizers import build_optimizer
from src.training.schedulers import build_schedule
from tests.conftest import ROOT, YAML_, Project
from tests.test_rerun import leaves
from tests.test_train import schema, table

STAGES: list[type[StageParams]] = [
    importlib.import_module(f"src.{stage}").Params
    for stage in YAML_.load(ROOT / "dvc.yaml")["stages"]
]
DEFAULT: dict[str, Any] = YAML_.load(ROOT / "params.yaml")
WRONG = {
    "a mapping": {"a": 1},
    "negative": -1,
    "NaN": float("nan"),
    "infinite": float("inf"),
    "huge": 10**30,
}

# Values of the wrong kind that are right all the same: null where it is a choice, and so on.
FINE = {
    ("fetch.folder", "null"),
    ("prepare.id", "null"),
    ("prepare.types", "empty"),
    ("prepare.drop", "empty"),
    ("prepare.csv", "empty"),
    ("prepare.split.names", "empty"),
    ("validate.reference", "null"),
    ("validate.reference", "empty"),
    ("prepare.split.column", "null"),
    ("validate.min_rows", "zero"),
    ("validate.expectations", "empty"),
    ("train.scheduler", "null"),
    ("train.patience", "null"),
    ("train.clip_norm", "null"),
    ("train.average", "null"),
    ("train.augment", "null"),
    ("evaluate.metric", "null"),
    ("train.optimizer.lr", "zero"),
    ("train.model.hidden", "empty"),  # no hidden layer: a linear model
    ("runtime.checkpoint", "null"),
    ("runtime.log_every", "null"),
    ("runtime.log_every", "number"),
    ("runtime.track", "null"),
    ("runtime.workers", "null"),
    ("runtime.memory", "null"),
    ("runtime.memory", "zero"),
    ("runtime.memory", "number"),
    ("prepare.seed", "zero"),
    ("train.seed", "zero"),
    ("train.patience", "number"),
    ("train.clip_norm", "number"),
    ("train.clip_norm", "huge"),
    ("runtime.workers", "number"),
    ("train.model.hidden", "items"),
    ("train.optimizer.lr", "bool"),  # torch takes it as 1
}


def wrongs(value: object) -> dict[str, Any]:
    """Values that no key of this one's type takes."""
    if isinstance(value, bool):
        return {"text": "yes", "number": 1, "null": None, **WRONG}
    if isinstance(value, int | float):
        return {"text": "abc", "list": [1], "null": None, "bool": True, "zero": 0, **WRONG}
    if isinstance(value, list | dict):
        return {"text": "abc", "number": 1, "null": None, "empty": type(value)(), "items": [5]}
    return {"number": 5, "list": ["a"], "null": None, "bool": True, "zero": 0, **WRONG}


def holder(document: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    *sections, last = key.split(".")
    for section in sections:
        document = document[section]
    return document, last


def cases() -> list[Any]:
    found = []
    for key in leaves(DEFAULT):
        section, last = holder(DEFAULT, key)
        for name, value in wrongs(section[last]).items():
            if (key, name) not in FINE:
                found.append(pytest.param(key, value, id=f"{key}-{name}"))
    return found


def check(document: dict[str, Any], folder: Path) -> None:
    """All that the stages check before they touch data."""
    with (folder / "params.yaml").open("w") as file:
        YAML_.dump(document, file)
    loaded = {stage: stage.load(folder / "params.yaml") for stage in STAGES}
    p = loaded[train.Params]
    assert isinstance(p, train.Params)
    encoder = Encoder.fit(schema("classification"), table(), "column")
    where = "params.yaml: train"
    network = build(
        f"{where}.model", p.train.model.name, p.train.model.kwargs, encoder.width, encoder.outputs
    )
    optimizer = build_optimizer(f"{where}.optimizer", p.train.optimizer, network)
    build_schedule(f"{where}.scheduler", p.train.scheduler, optimizer, p.train.epochs, batches=11)
    loss = chosen_loss(p.train.loss, "classification")
    build_loss(f"{where}.loss", loss.name, loss.kwargs, "classification", encoder.outputs)


@pytest.mark.parametrize(("key", "value"), cases())
def test_a_wrong_value_is_one_line_that_names_file_key_and_expectation(
    key: str, value: Any, tmp_path: Path
) -> None:
    document = copy.deepcopy(DEFAULT)
    section, last = holder(document, key)
    section[last] = value
    with pytest.raises(InputError) as e:
        check(document, tmp_path)
    message = str(e.value)
    assert "\n" not in message
    assert "params.yaml: " in message
    assert key.rsplit(".", 1)[0].split("[")[0] in message or key in message
    assert "; expected " in message


@pytest.mark.parametrize("key", leaves(DEFAULT))
def test_a_misspelt_key_is_named_with_the_right_one(key: str, tmp_path: Path) -> None:
    document = copy.deepcopy(DEFAULT)
    section, last = holder(document, key)
    section[last + "x"] = section.pop(last)
    with pytest.raises(InputError) as e:
        check(document, tmp_path)
    assert "\n" not in str(e.value)
    assert last + "x" in str(e.value)


@pytest.mark.parametrize("section", [s for s in DEFAULT if s not in ("runtime",)])
def test_a_removed_section_is_missed_by_name(section: str, tmp_path: Path) -> None:
    document = {k: v for k, v in DEFAULT.items() if k != section}
    with pytest.raises(InputError, match=rf"params.yaml: {section}: found nothing"):
        check(document, tmp_path)


def test_the_default_and_the_fine_values_are_taken(tmp_path: Path) -> None:
    check(DEFAULT, tmp_path)
    values = {"null": None, "zero": 0, "number": 5, "bool": True, "items": [5], "huge": 10**30}
    for key, kind in FINE:
        document = copy.deepcopy(DEFAULT)
        section, last = holder(document, key)
        section[last] = type(section[last])() if kind == "empty" else values[kind]
        check(document, tmp_path)


@pytest.mark.parametrize("stage", STAGES)
def test_one_seed_for_all_is_refused_with_what_to_write(
    stage: type[StageParams], tmp_path: Path
) -> None:
    document = copy.deepcopy(DEFAULT)
    file = tmp_path / "params.yaml"
    with file.open("w") as opened:
        YAML_.dump({"seed": 42, **document}, opened)
    with pytest.raises(InputError, match=r"params.yaml: seed: found 42; expected prepare.seed"):
        stage.load(file)


@pytest.mark.parametrize("stage", [prepare, train])
def test_a_section_without_its_seed_is_told_what_to_write(stage: Any, tmp_path: Path) -> None:
    """Of an old file, the sandbox shows a stage its own section alone."""
    section = stage.__name__.removeprefix("src.")
    del (own := copy.deepcopy(DEFAULT[section]))["seed"]
    file = tmp_path / "params.yaml"
    with file.open("w") as opened:
        YAML_.dump({section: own}, opened)
    with pytest.raises(InputError, match=r"\.seed: found nothing; .*train.seed for the training"):
        stage.Params.load(file)


def test_exponents_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        "train: {seed: 1, model: {name: linear}, loss: {name: MSELoss}, epochs: 1, batch_size: 1,\n"
        "  optimizer: {name: SGD, lr: 1e-3}}\n"
    )
    assert train.Params.load(tmp_path / "params.yaml").train.optimizer.kwargs == {"lr": 0.001}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: [1", "params.yaml:1: found"),
        (b"seed: 1\nseed: 2\n", "duplicate key"),
        (b"- a\n", "a mapping of sections"),
        (b"", "a mapping of sections"),
        (b"seed: \xff\n", "expected UTF-8"),
        (b"seed: !!python/object:os.system 1\n", "params.yaml:1: found"),
    ],
)
def test_what_is_no_yaml_is_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(InputError) as e:
        prepare.Params.load(tmp_path / "params.yaml")
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_the_command_line_shows_the_line_and_exits_with_1(project: Project) -> None:
    project.set({"train.epochs": 0})
    for stage, paths in (("train", ["data/prepared", "data/validated", "data/model"]),):
        output = project.stage(stage, *paths, code=1)
        assert (
            output
            == "train: params.yaml: train.epochs: found 0; expected greater than or equal to 1\n"
        )
    (project.root / "params.yaml").unlink()
    output = project.stage("fetch", "data/raw", code=1)
    expected = "expected the project's params; run from its root"
    assert output == f"fetch: params.yaml: found no such file; {expected}\n"
