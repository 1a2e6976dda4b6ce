"""What fits a table of anybody's: scaling that outliers don't spoil, columns of many categories."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from src.encoder import FAR, ONE_HOT, Encoder, Scale, quartiles
from src.errors import InputError
from src.evaluate import run as evaluate
from src.model_file import FORMAT, Model
from src.models import Embedded, build, vector_size
from src.params import Named
from src.predict import Departures, predict
from src.schema import Column, Rows, Schema, Task
from src.tables.csv_files import dialect
from src.tables.format import Csv
from src.train import Params, train_model
from src.training.build import choose
from src.training.checkpoint import Checkpoints
from src.training.defaults import chosen_batch, chosen_loss
from src.training.key import Identity
from tests.conftest import one_in
from tests.test_evaluate import params as evaluate_params
from tests.test_train import split_file

N = 600


def columns(table: pa.Table) -> list[Column]:
    found = []
    for name in table.column_names[1:-1]:
        is_text = pa.types.is_string(table.schema.field(name).type)
        found.append(
            Column(
                name=name,
                type="VARCHAR" if is_text else "DOUBLE",
                kind="category" if is_text else "number",
                missing=0,
                categories=sorted(set(table[name].drop_null().to_pylist())) if is_text else None,
            )
        )
    return found


def schema(table: pa.Table, task: Task) -> Schema:
    """Describe a table of an id, features, and the target."""
    target = table.column_names[-1]
    classes = sorted(set(table[target].to_pylist())) if task == "classification" else None
    return Schema.model_validate(
        {
            "task": task,
            "target": target,
            "target_type": "",
            "id": None,
            "format": dialect([Path("table.parquet")], Csv()),
            "columns": columns(table),
            "ignored": {},
            "classes": classes,
            "rows": Rows(read=N, without_target=0, train=N, val=N, test=N),
        }
    )


def shops(task: Task, seed: int = 0, shops: int = 60) -> pa.Table:
    """Make rows whose target hangs on the shop, a number, and a kind of three."""
    generator = np.random.default_rng(seed)
    shop, kind = generator.integers(shops, size=N), generator.integers(3, size=N)
    size = generator.normal(size=N)
    value = np.random.default_rng(1).normal(size=shops)[shop] * 2 + size + kind
    return pa.table(
        {
            "id": [f"row {i}" for i in range(N)],
            "shop": [f"shop {i:03}" for i in shop],
            "size": size,
            "kind": [f"kind {i}" for i in kind],
            "y": value if task == "regression" else [str(v > 1) for v in value],
        }
    )


def params(**train: Any) -> Params:
    spec = {
        "model": {"name": "mlp", "hidden": [16]},
        "loss": None,
        "optimizer": {"name": "AdamW", "lr": 0.01},
        "epochs": 20,
        "batch_size": "auto",
        "scale": "robust",
        **train,
    }
    return Params.model_validate({"train": {"seed": 1, **spec}, "runtime": {"progress": False}})


# Numbers with heavy tails


def heavy(rows: int = 1000) -> np.ndarray:
    """Make a column of which one value in a hundred is a million times the others."""
    values = np.random.default_rng(0).normal(size=rows)
    values[::100] *= 1e6
    return values


def encoded(values: list[float | None], scale: Scale) -> Tensor:
    rows = len(values)
    columns = {"id": ["a"] * rows, "x": pa.array(values, pa.float64()), "y": [0.0] * rows}
    table = pa.table(columns)
    return Encoder.fit(schema(table, "regression"), table, scale).features(table)[:, 0]


def test_outliers_leave_the_others_their_spread_under_robust_alone() -> None:
    values = heavy()
    usual = np.arange(len(values)) % 100 != 0
    robust, column = encoded(list(values), "robust"), encoded(list(values), "column")
    assert 0.5 < robust[usual].std() < 1
    assert column[usual].std() < 1e-4
    assert robust.abs().max() <= math.asinh(FAR)


def test_robust_numbers_by_hand() -> None:
    # Median 3, quartiles 2 and 4. A missing one is the median.
    expected = []
    for scaled in (-1.0, -0.5, 0.0, 0.5, 48.5, 0.0):
        expected.append(math.log(scaled + math.sqrt(scaled**2 + 1)))
    assert encoded([1, 2, 3, 4, 100, None], "robust").tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "median", "spread"),
    [
        ([0] * 10 + [2, 3, 1e6], 0, 3),  # quartiles of one value: the others' distance
        ([1, 1, 1, 1, 0], 1, 1),
        ([5, 5, 5], 5, 0),
        ([np.nan, np.nan], 0, 0),
        ([np.inf, 1, 2, 3, -np.inf], 2, 1),
        ([7], 7, 0),
    ],
)
def test_quartiles_of_odd_columns(values: list[float], median: float, spread: float) -> None:
    found = quartiles(pa.table({"x": np.array(values, dtype=np.float64)}), ["x"])
    assert [float(part[0]) for part in found] == [median, spread]


def test_a_table_without_numbers_scales_none() -> None:
    assert [part.shape for part in quartiles(pa.table({"x": [1]}), [])] == [(0,), (0,)]


@pytest.mark.parametrize("odd", [5.0, None, 1e30, -1e30, float("inf")])
def test_odd_values_encode_as_finite_numbers(odd: float | None) -> None:
    assert encoded([odd] * 3, "robust").isfinite().all()
    assert encoded([1.0, 2.0, odd], "robust").abs().max() <= math.asinh(FAR)


# Columns of many categories


def test_more_categories_than_one_hot_are_one_column_of_numbers() -> None:
    table = shops("regression")
    encoder = Encoder.fit(schema(table, "regression"), table, "column")
    assert encoder.embedded == [60]
    assert encoder.width == 1 + 3 + 1  # size, three kinds, the shop
    shop = encoder.features(table)[:, -1]
    assert shop.tolist() == [float(name[5:]) + 1 for name in table["shop"].to_pylist()]
    assert encoder.features(table)[:, 1:4].sum(dim=1).tolist() == [1.0] * N


def test_missing_and_unseen_categories_are_none_whose_vector_is_zero() -> None:
    table = shops("regression")
    encoder = Encoder.fit(schema(table, "regression"), table, "column")
    odd = table.slice(0, 2).set_column(1, "shop", pa.array([None, "another"]))
    assert encoder.features(odd)[:, -1].tolist() == [0.0, 0.0]
    network = build("model", "linear", {}, encoder.width, 1, encoder.embedded)
    assert isinstance(network, Embedded)
    assert not network.vectors[0](torch.tensor([0])).any()
    departures = Departures(encoder)
    departures.add(odd)
    assert departures.lines()[0] == (
        "column 'shop': 1 missing, 1 of a category that training had not"
    )


@pytest.mark.parametrize("count", [ONE_HOT, ONE_HOT + 1])
def test_the_rule_of_one_hot(count: int) -> None:
    names = [f"{i:03}" for i in range(count)]
    table = pa.table({"id": names, "x": names, "y": [0.0] * count})
    encoder = Encoder.fit(schema(table, "regression"), table, "column")
    assert encoder.width == (count if count == ONE_HOT else 1)


def test_a_model_file_of_before_has_its_many_categories_one_hot(tmp_path: Path) -> None:
    """It names no embedded columns, and is read as what it is."""
    table = shops("regression")
    embeds = Encoder.fit(schema(table, "regression"), table, "column")
    one_hot = replace(embeds, embeds=())
    assert one_hot.width == 1 + 60 + 3
    names_them = []
    for encoder in (one_hot, embeds):
        network = build("model", "linear", {}, encoder.width, 1, encoder.embedded)
        model = Model(network, encoder, {"name": "linear"}, "MSELoss")
        file = tmp_path / f"{encoder.width}.safetensors"
        model.save(file)
        loaded = Model.load(file)
        assert loaded.encoder.embeds == encoder.embeds
        assert torch.equal(loaded.estimate(table), model.estimate(table))
        with safe_open(file, framework="pt") as opened:
            names_them.append("embeds" in json.loads(opened.metadata()[FORMAT]))
    assert names_them == [False, True]


@pytest.mark.parametrize("embeds", [["size"], ["nothing"], ["shop", "shop"], ["shop", "kind"]])
def test_embedded_columns_that_the_table_or_the_network_has_not_are_one_line(
    embeds: list[str], tmp_path: Path
) -> None:
    table = shops("regression")
    encoder = Encoder.fit(schema(table, "regression"), table, "column")
    network = build("model", "linear", {}, encoder.width, 1, encoder.embedded)
    file = tmp_path / "model.safetensors"
    changed = replace(encoder, embeds=tuple(embeds))
    Model(network, changed, {"name": "linear"}, "MSELoss").save(file)
    with pytest.raises(InputError, match=r"embeds|tensor"):
        Model.load(file)


def test_sizes_of_vectors_grow_slowly_and_end_at_fifty() -> None:
    assert [vector_size(count) for count in (33, 100, 1000, 10_000)] == [11, 21, 50, 50]


class Wide(nn.Module):
    """Is a network of a user's own, which knows nothing of categories."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layer(x)
        return outputs


MLP = {"name": "mlp", "hidden": [16]}
LINEAR = {"name": "linear"}
OWN = {"name": f"{__name__}:Wide"}
LEARNERS = [
    (MLP, "classification"),
    (MLP, "regression"),
    (LINEAR, "regression"),
    (LINEAR, "classification"),
    (OWN, "classification"),
    (OWN, "regression"),
]


@pytest.mark.parametrize(("model", "task"), one_in(2, LEARNERS))
def test_a_model_learns_what_hangs_on_many_categories(
    model: dict[str, Any], task: Task, tmp_path: Path
) -> None:
    train, val = shops(task), shops(task, seed=1)
    described, none = schema(train, task), Checkpoints(None, None, Identity({}))
    train_file = split_file(tmp_path / "train.parquet", train, described)
    val_file = split_file(tmp_path / "test.parquet", val, described)
    p = params(model=model)
    chosen = choose(p.train, described)
    trained, progress = train_model(p, chosen, described, train_file, val_file, none)
    name = "val_accuracy" if task == "classification" else "val_r2"
    assert max(row[name] for row in progress.history) > 0.8
    # The model file has all that predicts them.
    file = tmp_path / "model.safetensors"
    trained.save(file)
    loaded = Model.load(file, trusts=lambda name: name == model["name"])
    assert predict(loaded, val).equals(predict(trained, val))
    evaluate(evaluate_params({}, model["name"]), tmp_path, tmp_path, tmp_path)


def test_the_baseline_is_given_the_most_frequent_categories(tmp_path: Path) -> None:
    from src.scoring.baselines import regressors

    train, test = shops("regression", shops=40), shops("regression", seed=1, shops=40)
    pq.write_table(train, tmp_path / "train.parquet")
    encoder = Encoder.fit(schema(train, "regression"), train, "column")
    predicted = regressors(encoder, tmp_path / "train.parquet", encoder.features(test))["ridge"]
    truth = test["y"].to_numpy()
    r2 = 1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert r2 > 0.8  # the number and the kind alone give 0.3


# What the table decides


@pytest.mark.parametrize(
    ("rows", "size"),
    [(1, 32), (50, 32), (4_095, 32), (4_096, 64), (10_000, 128), (65_536, 1024), (10**7, 1024)],
)
def test_the_batch_size_follows_the_rows(rows: int, size: int) -> None:
    assert chosen_batch("auto", rows) == size
    assert chosen_batch(10, rows) == 10


def test_the_loss_follows_the_task_where_none_is_named() -> None:
    assert chosen_loss(None, "classification").name == "CrossEntropyLoss"
    assert chosen_loss(None, "regression").name == "MSELoss"
    assert chosen_loss(Named(name="L1Loss"), "regression").name == "L1Loss"


def test_a_skip_adds_what_one_linear_layer_says() -> None:
    network = build("model", "mlp", {"hidden": [5], "skip": True}, 3, 2)
    plain = build("model", "mlp", {"hidden": [5]}, 3, 2)
    state = network.state_dict()
    line = {name.removeprefix("skip."): state.pop(name) for name in ("skip.weight", "skip.bias")}
    plain.load_state_dict(state)  # the rest is named as before
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    expected = plain(x) + x @ line["weight"].T + line["bias"]
    assert torch.allclose(network(x), expected, atol=1e-6)
