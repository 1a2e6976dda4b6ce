"""Recipes over params.yaml: what stays, what is checked, and what they are good for."""

import importlib
import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from benchmarks.recipe import fingerprint, measured
from recipes.__main__ import FOLDER, put_over, read_recipe, run
from src import evaluate, predict, prepare, train
from src.errors import InputError
from src.params import StageParams
from src.passed import write_passed
from src.train import Params, train_model
from src.training.build import choose
from src.training.checkpoint import Checkpoints
from src.training.key import Identity
from tests.conftest import ROOT, YAML_
from tests.test_train import split_file
from tests.training.test_own_tables import schema

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
STAGES: list[type[StageParams]] = [
    importlib.import_module(f"src.{stage}").Params
    for stage in YAML_.load(ROOT / "dvc.yaml")["stages"]
]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with this project's params.yaml, and the current one."""
    file = tmp_path / "params.yaml"
    file.write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return file


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_gives_params_of_all_stages(name: str, own: Path) -> None:
    before = YAML_.load(own)
    run(name)
    for stage in STAGES:
        stage.load(own)
    after, recipe = YAML_.load(own), read_recipe(name)
    for section, keys in after.items():
        for key, value in keys.items():
            expected, old = recipe.get(section, {}).get(key, value), before[section][key]
            if isinstance(expected, dict) and isinstance(old, dict) and "name" not in expected:
                expected = {**old, **expected}
            assert value == expected, f"{section}.{key}"
            is_named = key in recipe.get(section, {})
            assert is_named or value == old, f"{section}.{key}"


# What names the data is the user's own in a recipe for any table.
OF_THE_DATA = {
    ("fetch", "dataset"),
    ("prepare", "target"),
    ("prepare", "id"),
    ("prepare", "split", "column"),
}


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """List what a recipe replaces: values by the names of their keys."""
    if not isinstance(value, dict) or "name" in value or path[-1:] in {("average",), ("augment",)}:
        return {path: value}
    found: dict[tuple[str, ...], Any] = {}
    for key, inner in value.items():
        found |= leaves(inner, (*path, key))
    return found


def test_all_recipes_state_the_same_keys() -> None:
    stated = {name: leaves(read_recipe(name)).keys() for name in NAMES}
    for name, keys in stated.items():
        left_alone = OF_THE_DATA if name == "tabular" else set()
        assert keys | left_alone == stated["fashion-cnn"], name


@pytest.mark.parametrize(("first", "second"), [*permutations(NAMES, 2)])
def test_of_two_recipes_the_second_alone_counts(first: str, second: str, own: Path) -> None:
    text = own.read_text()
    alone = leaves(YAML_.load(put_over(text, read_recipe(second))[0]))
    once, _ = put_over(text, read_recipe(first))
    both = leaves(YAML_.load(put_over(once, read_recipe(second))[0]))
    differ = {key for key in alone.keys() | both.keys() if alone.get(key) != both.get(key)}
    assert differ == (OF_THE_DATA if second == "tabular" else set())


@pytest.mark.parametrize("name", NAMES)
def test_comments_and_untouched_lines_stay(name: str, own: Path) -> None:
    before = own.read_text().splitlines()
    run(name)
    after, recipe = own.read_text().splitlines(), read_recipe(name)
    keys = {key for section in recipe.values() for key in section}
    inner = ("    ",)  # of a value that is replaced whole
    for line in before:
        key, _, rest = line.strip().partition(":")
        comment = rest.partition("#")[2]
        if line.startswith(inner):
            continue
        if key in keys:
            assert any(other.strip().startswith(key) and comment in other for other in after)
        else:
            assert line in after
    assert after.count("") == before.count("")


def test_a_recipe_twice_changes_nothing_more(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("tabular")
    once = own.read_text()
    said = capsys.readouterr().out
    assert "train.batch_size: 10 → auto\n" in said
    run("tabular")
    assert own.read_text() == once
    assert capsys.readouterr().out == "nothing to change\n"


def test_edits_of_the_user_stay(own: Path) -> None:
    own.write_text(own.read_text().replace("target: digit", "target: price  # in €"))
    run("tabular")
    assert "target: price  # in €" in own.read_text()


def test_an_unknown_recipe_is_one_line(own: Path) -> None:
    before = own.read_text()
    with pytest.raises(InputError, match="did you mean 'tabular'"):
        run("tabula")
    assert own.read_text() == before


DAMAGED = {
    "not UTF-8": (b"train:\n  epochs: \xff\n", ": found byte 0xff at 17; expected UTF-8"),
    "not YAML": (b"train: [1\nseed: 2\n", ":2: found did not find expected ',' or ']'; "),
    "a key twice": (b"seed: 1\nseed: 2\n", ':2: found duplicate key "seed"; '),
    "a number": (b"3\n", ": found 3; expected a mapping of sections"),
    "a list": (b"- 3\n", ": found [3]; expected a mapping of sections"),
    "empty": (b"", ": found None; expected a mapping of sections"),
    "a folder": (None, "Is a directory: "),
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("damaged", ["params.yaml", "recipes/some.yaml"])
def test_a_file_that_cannot_be_read_is_one_line(
    damaged: str, damage: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own.with_name("recipes")
    folder.mkdir()
    (folder / "some.yaml").write_text("train: {epochs: 3}\n")
    monkeypatch.setattr("recipes.__main__.FOLDER", folder)
    content, message = DAMAGED[damage]
    file = own.parent / damaged
    file.unlink()
    file.mkdir() if content is None else file.write_bytes(content)
    before = own.read_bytes() if own.is_file() else b""
    with pytest.raises((InputError, OSError)) as e:  # both are one line of the command
        run("some")
    assert message in str(e.value)
    assert damaged in str(e.value)
    assert "\n" not in str(e.value)
    assert before == (own.read_bytes() if own.is_file() else b"")


def test_a_missing_params_file_is_one_line(own: Path) -> None:
    own.unlink()
    with pytest.raises(InputError, match=r"params\.yaml: found no such file; expected .* its root"):
        run("tabular")
    assert not own.exists()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_table_of_ones_own_goes_through_all_stages(own: Path, task: str) -> None:
    generator = np.random.default_rng(0)
    shop = generator.integers(120, size=900)
    spent = np.exp(2 * generator.normal(size=900))
    value = np.random.default_rng(1).normal(size=120)[shop] + np.log(spent) / 4
    target = value if task == "regression" else np.where(value > 0, "high", "low")
    rows = pa.table({"shop": [f"shop {i}" for i in shop], "spent": spent, "value": target})
    own.parent.joinpath("raw").mkdir()
    csv.write_csv(rows, "raw/table.csv")
    run("tabular")
    document = YAML_.load(own)
    document["prepare"] |= {"target": "value", "task": task}
    document["train"]["epochs"] = 10
    document["runtime"] |= {"progress": False, "checkpoint": None, "keep_last": False}
    raw, data, model = Path("raw"), Path("data"), Path("model")
    prepare.run(prepare.Params.model_validate(document), raw, data)
    write_passed(data, data)
    train.run(train.Params.model_validate(document), data, data, model)
    evaluate.run(evaluate.Params.model_validate(document), model, data, Path("evaluation"))
    metrics = json.loads(Path("evaluation/metrics.json").read_text())
    name = "r2" if task == "regression" else "accuracy"
    assert metrics[name] > 0.7
    file = model / "model.safetensors"
    predict.run(file, raw / "table.csv", Path("p.csv"), None, strict=False, trusted=[])
    assert len(csv.read_csv("p.csv")) == 900


# What they are good for

AIMS = {"fashion-mlp": 0.895, "fashion-cnn": 0.935, "fashion-accurate": 0.945}


@pytest.mark.parametrize("name", sorted(AIMS))
def test_the_committed_result_reaches_its_aim_with_each_seed(name: str) -> None:
    results = measured(FOLDER / f"{name}.json", fingerprint(read_recipe(name)))
    assert len(results) == 3, "expected three seeds of this recipe: python -m benchmarks.recipe"
    assert min(result["accuracy"] for result in results.values()) >= AIMS[name]


def prices(rows: int, seed: int, wrong: int) -> pa.Table:
    """Make prices that hang on a size; so many of the sizes are a thousand times too large."""
    generator = np.random.default_rng(seed)
    size = np.exp(0.5 * generator.normal(size=rows))
    price = 1000 * size**0.7 * (1 + 0.1 * generator.normal(size=rows))
    size[generator.permutation(rows)[:wrong]] *= 1000
    noise = np.exp(3 * generator.normal(size=rows))
    ids = [f"{seed} {i}" for i in range(rows)]
    return pa.table({"id": ids, "size": size, "noise": noise, "price": price})


Found = list[dict[str, float]]


def trained(own: Path, change: Callable[[dict[str, Any]], None]) -> Found:
    document = YAML_.load(own)
    document["runtime"]["progress"] = False
    change(document)
    train, val = prices(1000, 1, wrong=3), prices(300, 2, wrong=0)
    described = schema(train, "regression")
    train_file = split_file(own.with_name("train.parquet"), train, described)
    val_file = split_file(own.with_name("val.parquet"), val, described)
    params = Params.model_validate(document)
    none = Checkpoints(None, None, Identity({}))
    chosen = choose(params.train, described)
    _, progress = train_model(params, chosen, described, train_file, val_file, none)
    return progress.history


def test_on_prices_with_outliers_the_recipe_learns_where_digits_settings_diverge(own: Path) -> None:
    def regression(document: dict[str, Any]) -> None:
        document["train"] |= {"loss": {"name": "MSELoss"}, "scale": "column"}

    def few_epochs(document: dict[str, Any]) -> None:
        document["train"]["epochs"] = 15

    with pytest.raises(InputError, match=r"in epoch 1.*expected finite losses"):
        trained(own, regression)
    run("tabular")
    assert max(row["val_r2"] for row in trained(own, few_epochs)) > 0.8
