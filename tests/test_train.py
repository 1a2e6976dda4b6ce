"""The training loop against the textbook's, and what params.yaml can name."""

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

from src.encoder import Encoder
from src.errors import InputError, OwnCodeError
from src.files import sha256
from src.losses import Loss, build_loss
from src.model_file import Model
from src.models import build, try_batch
from src.passed import check_passed
from src.schema import SPLITS, Column, Rows, Schema
from src.tables.csv_files import dialect
from src.tables.format import Csv
from src.train import Params, fit, run, train_epoch
from src.training.build import build_parts, choose
from src.training.data import Examples, PreparedRows
from src.training.defaults import chosen_loss
from src.training.optimizers import build_optimizer
from src.training.order import Order
from src.training.progress import Progress
from src.training.watch import Watch
from tests.conftest import ROOT

N = 103  # rows: the last batch is shorter


def params(**train: Any) -> Params:
    spec = {
        "model": {"name": "mlp", "hidden": [8]},
        "loss": {"name": "MSELoss"},
        "optimizer": {"name": "SGD", "lr": 0.1},
        "epochs": 3,
        "batch_size": 10,
        "shuffle": False,
        **train,
    }
    return Params.model_validate(
        {"train": {"seed": 1, **spec}, "runtime": {"progress": False, "checkpoint": None}}
    )


def table() -> pa.Table:
    x = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
    columns = {f"x{i}": x[:, i].numpy() for i in range(4)}
    score = x[:, 0] + 0.5 * x[:, 1]
    return pa.table(
        {
            "id": [f"row {i}" for i in range(N)],
            **columns,
            "value": score.numpy(),
            "label": (score > 0).long().numpy() + (score > 1).long().numpy(),
        }
    )


def schema(task: str) -> Schema:
    columns = [Column(name=f"x{i}", type="FLOAT", kind="number", missing=0) for i in range(4)]
    target, classes = ("label", [0, 1, 2]) if task == "classification" else ("value", None)
    return Schema.model_validate(
        {
            "task": task,
            "target": target,
            "target_type": "BIGINT",
            "id": None,
            "format": dialect([Path("table.parquet")], Csv()),
            "columns": columns,
            "ignored": {},
            "classes": classes,
            "rows": Rows(read=N, without_target=0, train=N, val=N, test=N),
        }
    )


def trained(p: Params, task: str) -> tuple[Model, list[dict[str, float]]]:
    """Weights after the last epoch, and the history."""
    data = table()
    encoder = Encoder.fit(schema(task), data, p.train.scale)
    torch.manual_seed(p.train.seed)
    network = build(
        "model", p.train.model.name, p.train.model.kwargs, encoder.width, encoder.outputs
    )
    spec = chosen_loss(p.train.loss, encoder.schema.task)
    loss = build_loss("loss", spec.name, spec.kwargs, encoder.schema.task, encoder.outputs)
    model = Model(network, encoder, p.train.model.model_dump(), loss.name)
    examples = Examples(encoder.features(data), encoder.targets(data), data.column("id"))
    return model, fitted(p, model, loss, examples, examples)


def fitted(
    p: Params, model: Model, loss: Loss, train: Examples, val: Examples
) -> list[dict[str, float]]:
    """Train the model, in place; return the history."""
    train = train._replace(y=loss.targets(train.y))
    chosen = choose(p.train, model.encoder.schema)
    parts = build_parts(p, chosen, model, loss.criterion, len(train.x))
    progress = Progress(train.ids)
    with Watch(p.runtime, p.train.epochs, len(train.x)) as watch:
        assessed = replace(model, network=parts.assessed)
        fit(p.train, assessed, loss, parts, train, val, progress, watch)
    return progress.history


def textbook(
    task: str, outputs: int, criterion: nn.Module, lr: float, momentum: float = 0
) -> tuple[nn.Module, Tensor]:
    """What the loop of any textbook makes of the same data, and the targets it had."""
    encoder = Encoder.fit(schema(task), table(), "column")
    x, y = encoder.features(table()), encoder.targets(table())
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, outputs))
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum)
    for _ in range(3):
        for i in range(0, N, 10):
            loss = criterion(net(x[i : i + 10]), y[i : i + 10])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net, y


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_mse_with_sgd_is_the_textbook_loop_bit_for_bit() -> None:
    model, _ = trained(params(), "regression")
    net, y = textbook("regression", 1, nn.MSELoss(), lr=0.1)
    assert y.shape == (N, 1)
    assert same_weights(model.network, net)


def test_cross_entropy_with_momentum_is_the_textbook_loop_bit_for_bit() -> None:
    p = params(
        loss={"name": "CrossEntropyLoss"}, optimizer={"name": "SGD", "lr": 0.05, "momentum": 0.9}
    )
    model, _ = trained(p, "classification")
    net, y = textbook("classification", 3, nn.CrossEntropyLoss(), lr=0.05, momentum=0.9)
    assert y.dtype == torch.int64
    assert same_weights(model.network, net)


# Losses that take other inputs than outputs and targets; everything else of torch.nn trains.
OTHER_INPUTS = {
    "AdaptiveLogSoftmaxWithLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "GaussianNLLLoss",
    "LinearCrossEntropyLoss",  # a layer and its loss: takes features, not outputs
    "MarginRankingLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
}
NOT_CLASSES = {"HingeEmbeddingLoss", "MultiLabelMarginLoss", "PoissonNLLLoss"}
CLASSES_ONLY = {
    "CrossEntropyLoss",
    "NLLLoss",
    "MultiMarginLoss",
    "MultiLabelMarginLoss",
    "BCELoss",
    "KLDivLoss",
} | {
    "BCEWithLogitsLoss",
    "HingeEmbeddingLoss",
    "MultiLabelSoftMarginLoss",
    "PoissonNLLLoss",
    "SoftMarginLoss",
}


@pytest.mark.filterwarnings("ignore:reduction")  # torch of KLDivLoss: which mean it takes
@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", sorted(n for n in dir(nn) if n.endswith("Loss")))
def test_every_loss_trains_or_is_refused_before_training(name: str, task: str) -> None:
    p = params(
        loss={"name": name}, optimizer={"name": "Adam", "lr": 0.02}, epochs=15, scale="column"
    )
    try:
        _, history = trained(p, task)
    except InputError as e:
        assert "\n" not in str(e)
        refused = OTHER_INPUTS | (NOT_CLASSES if task == "classification" else CLASSES_ONLY)
        assert name in refused, e
    else:
        assert name not in OTHER_INPUTS
        skill = history[-1]["val_accuracy" if task == "classification" else "val_r2"]
        assert skill > 0.7, f"{name} does not learn what it should: {skill}"


@pytest.mark.parametrize(
    "name", sorted(n for n in torch.optim.__all__ if n[0].isupper() and n != "Optimizer")
)
def test_every_optimizer_trains_or_is_refused_before_training(name: str) -> None:
    p = params(optimizer={"name": name}, epochs=1)
    try:
        _, history = trained(p, "regression")
        assert len(history) == 1
    except InputError as e:
        assert name in ("LBFGS", "SparseAdam", "Muon"), (
            e
        )  # closure, sparse gradients, matrices only


SCHEDULERS: dict[str, dict[str, Any]] = {
    "ConstantLR": {"total_iters": 1},
    "CosineAnnealingLR": {"T_max": 3},
    "CosineAnnealingWarmRestarts": {"T_0": 4},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 5, "every": "batch"},
    "ExponentialLR": {"gamma": 0.5},
    "LinearLR": {"total_iters": 2},
    "MultiStepLR": {"milestones": [1]},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 33, "every": "batch"},
    "PolynomialLR": {"total_iters": 3},
    "ReduceLROnPlateau": {
        "patience": 0,
        "threshold": 1e9,
        "threshold_mode": "abs",
    },  # nothing is enough
    "StepLR": {"step_size": 1},
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_scheduler_changes_the_learning_rate_by_epoch_or_batch(name: str) -> None:
    p = params(
        optimizer={"name": "SGD", "lr": 0.1, "momentum": 0.9},
        scheduler={"name": name, **SCHEDULERS[name]},
    )
    _, history = trained(p, "regression")
    rates = [row["lr"] for row in history]
    assert len(set(rates)) > 1, rates


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": {"name": "Sdg", "lr": 0.1}}, "did you mean 'SGD'"),
        (
            {"optimizer": {"name": "SGD", "lrr": 0.1}},
            "train.optimizer.lrr: found an unknown argument",
        ),
        ({"optimizer": {"name": "SGD", "lr": -1}}, "Invalid learning rate"),
        ({"model": {"name": "mpl", "hidden": [8]}}, "did you mean 'mlp'"),
        ({"model": {"name": "mlp", "hidden": [-8]}}, "train.model"),
        ({"model": {"name": "no.such:Class"}}, "an importable module:Class"),
        ({"model": {"name": "cnn", "channels": [2, 2, 2]}}, "leave nothing"),
        ({"loss": {"name": "MSELos"}}, "did you mean 'MSELoss'"),
        ({"scheduler": {"name": "StepLR"}}, "step_size"),
        (
            {"scheduler": {"name": "StepLR", "step_size": 0}},
            "train.scheduler: found {'step_size': 0}; expected",
        ),
        (
            {"scheduler": {"name": "StepLR", "step_size": "a"}},
            "train.scheduler: found {'step_size': 'a'}",
        ),
        (
            {"scheduler": {"name": "StepLR", "step_size": None}},
            "train.scheduler: found {'step_size': None}",
        ),
        ({"scheduler": {"name": "StepLR", "step_size": 1, "gamma": "a"}}, "train.scheduler: found"),
        (
            {"scheduler": {"name": "StepLR", "step_size": 1, "gamma": 1e300}},
            "the learning rate becomes 1e+299",
        ),
        (
            {"scheduler": {"name": "ExponentialLR", "gamma": [1]}},
            "train.scheduler: found {'gamma': [1]}",
        ),
        (
            {"scheduler": {"name": "CosineAnnealingLR", "T_max": 0}},
            "train.scheduler: found {'T_max': 0}",
        ),
        (
            {"scheduler": {"name": "PolynomialLR", "power": "a"}},
            "train.scheduler: found {'power': 'a'}",
        ),
        (
            {"scheduler": {"name": "MultiStepLR", "milestones": [1], "gamma": None}},
            "train.scheduler: found",
        ),
        (
            {"scheduler": {"name": "ReduceLROnPlateau", "patience": "x"}},
            "train.scheduler: found {'patience': 'x'}",
        ),
        (
            {"scheduler": {"name": "ReduceLROnPlateau", "threshold": "x"}},
            "train.scheduler: found {'threshold': 'x'}",
        ),
        (
            {"scheduler": {"name": "OneCycleLR", "max_lr": 0.1, "total_steps": 2}},
            "found total_steps 2; expected total_steps 3 or more",
        ),
        (
            {"optimizer": {"name": "Adam", "capturable": True}},
            "train.optimizer: found {'capturable': True}",
        ),
        (
            {"optimizer": {"name": "Adam", "differentiable": True}},
            "train.optimizer: found {'differentiable': True}",
        ),
        ({"optimizer": {"name": "SGD", "lr": 1e300}}, "train.optimizer: found {'lr': 1e+300}"),
        ({"model": {"name": "cnn", "channels": [0]}}, "train.model: found {'channels': [0]}"),
        ({"model": {"name": "cnn", "channels": [1], "hidden": 0}}, "hidden must be 1 or more"),
        ({"model": {"name": "cnn", "channels": [1], "depth": 0}}, "depth must be 1 or more"),
        ({"model": {"name": "mlp", "hidden": [8, 0]}}, "hidden must be 1 or more"),
        (
            {"model": {"name": "collections:OrderedDict"}},
            "train.model.name: found 'collections:OrderedDict'",
        ),
        ({"model": {"name": ".a:B"}}, "an importable module:Class"),
        ({"optimizer": {"name": "SGD", "lr": 1e30}}, "finite losses"),
    ],
)
def test_wrong_names_and_arguments_are_params_errors(change: dict[str, Any], message: str) -> None:
    p = params(**change)
    with pytest.raises(InputError) as e:
        data = table()
        encoder = Encoder.fit(schema("regression"), data, "column")
        net = build(
            "params.yaml: train.model", p.train.model.name, p.train.model.kwargs, encoder.width, 1
        )
        build_optimizer("params.yaml: train.optimizer", p.train.optimizer, net)
        trained(p, "regression")
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_the_best_epoch_is_kept_and_training_stops_without_a_better_one() -> None:
    p = params(optimizer={"name": "SGD", "lr": 0.3}, epochs=50, patience=2)
    _, history = trained(p, "regression")
    losses = [row["val_loss"] for row in history]
    assert len(losses) == min(50, losses.index(min(losses)) + 3)


def test_clipping_limits_the_step() -> None:
    torch.manual_seed(1)
    before = [
        w.detach().clone()
        for w in nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).parameters()
    ]
    p = params(clip_norm=1e-6, epochs=1)
    model, _ = trained(p, "regression")
    moved = [(a - b).norm().item() for a, b in zip(model.network.parameters(), before, strict=True)]
    assert 0 < max(moved) < 11 * 0.1 * 1e-6 * 1.01  # steps x lr x norm


@pytest.mark.parametrize(
    ("rows", "batch_size", "sizes"),
    [
        (20, 10, [10, 10]),
        (29, 10, [10, 10, 9]),
        (21, 10, [10, 11]),
        (11, 10, [11]),
        (3, 2, [3]),
        (1, 10, [1]),
        (3, 1, [1, 1, 1]),
        (3, 10, [3]),
    ],
)
def test_a_row_left_over_joins_the_batch_before(
    rows: int, batch_size: int, sizes: list[int]
) -> None:
    batches = Order(rows, batch_size, shuffle=True, seed=3).draw()
    assert [len(batch) for batch in batches] == sizes
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.cat(list(batches)), order)


def split_file(path: Path, rows: pa.Table, described: Schema) -> PreparedRows:
    """Write one split."""
    pq.write_table(rows, path)
    return PreparedRows(path, described)


def write_prepared(folder: Path, task: str = "regression", rows: pa.Table | None = None) -> None:
    for split in SPLITS:
        pq.write_table(table() if rows is None else rows, folder / f"{split}.parquet")
    schema(task).write(folder)


def pass_all(folder: Path) -> None:
    names = [*(f"{split}.parquet" for split in SPLITS), "schema.json"]
    (folder / "passed.json").write_text(json.dumps({name: sha256(folder / name) for name in names}))


def test_untested_data_is_not_trained_on(tmp_path: Path) -> None:
    write_prepared(tmp_path)
    with pytest.raises(InputError, match="data that passed `validate`"):
        check_passed(tmp_path, tmp_path)
    pass_all(tmp_path)
    check_passed(tmp_path, tmp_path)
    pq.write_table(table().slice(1), tmp_path / "train.parquet")
    with pytest.raises(InputError, match="other data than passed"):
        check_passed(tmp_path, tmp_path)


def test_your_own_class_trains_and_loads_again(tmp_path: Path) -> None:
    write_prepared(tmp_path)
    pass_all(tmp_path)
    p = params(model={"name": "tests.own:Net", "width": 5})
    run(p, tmp_path, tmp_path, tmp_path / "model")
    model = Model.load(tmp_path / "model" / "model.safetensors", "tests.own:Net".__eq__)
    assert type(model.network).__name__ == "Net"
    again = tmp_path / "again"
    run(p, tmp_path, tmp_path, again)
    for name in ("model.safetensors", "history.csv"):
        assert (again / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def train_odd(folder: Path, kind: str, task: str = "classification", rows: Any = None) -> None:
    """Train a network that is odd in this way, in batches of 10 unless the split has fewer rows."""
    write_prepared(folder, task, rows)
    pass_all(folder)
    loss = {"name": "CrossEntropyLoss" if task == "classification" else "MSELoss"}
    p = params(model={"name": "tests.own:Odd", "kind": kind}, loss=loss, epochs=1, batch_size=17)
    run(p, folder, folder, folder / "model")


def test_batch_norm_trains_where_one_row_is_left_over(tmp_path: Path) -> None:
    assert N % 17 == 1
    train_odd(tmp_path, "normed")


def test_a_single_row_trains_unless_the_network_refuses_it(tmp_path: Path) -> None:
    train_odd(tmp_path, "plain", rows=table().slice(0, 1))
    with pytest.raises(InputError, match=r"train\.model: found a network that refuses"):
        train_odd(tmp_path, "normed", rows=table().slice(0, 1))


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("wide", r"float32 of shape \[17, 6\]"),
        ("squeezed", r"float32 of shape \[17\]"),
        ("fewer", r"float32 of shape \[1, 3\]"),
        ("deep", r"float32 of shape \[17, 3, 1\]"),
        ("whole", r"int64 of shape \[17, 3\]"),
        ("several", "tuple"),
        ("wide_in_evaluation", r"float32 of shape \[17, 6\]"),
    ],
)
def test_other_outputs_than_the_tasks_are_one_line_before_training(
    kind: str, found: str, tmp_path: Path
) -> None:
    expected = r"a tensor of floats of shape \[17, 3\]"
    with pytest.raises(InputError, match=f"returns {found} for 17 rows; expected {expected}"):
        train_odd(tmp_path, kind)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("kind", ["squeezed", "wide"])
def test_a_regression_never_broadcasts(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a tensor of floats of shape \[17, 1\]"):
        train_odd(tmp_path, kind, "regression")


@pytest.mark.parametrize("kind", ["unread", "exits"])
def test_what_forward_raises_is_the_users_own_error(kind: str, tmp_path: Path) -> None:
    with pytest.raises(OwnCodeError, match=r"train\.model: tests\.own:Odd raised"):
        train_odd(tmp_path, kind)


@pytest.mark.parametrize("kind", ["huge", "huge_list"])
def test_a_full_memory_is_one_line_of_rows_and_columns(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"found {N} rows x 4 columns, too much for the memory"):
        train_odd(tmp_path, kind)


def test_a_model_too_large_for_the_memory_is_one_line_too(tmp_path: Path) -> None:
    write_prepared(tmp_path)
    pass_all(tmp_path)
    p = params(model={"name": "mlp", "hidden": [1000, 10**12]})
    with pytest.raises(InputError, match=f"found {N} rows x 4 columns, too much for the memory"):
        run(p, tmp_path, tmp_path, tmp_path / "model")


def table_with_outliers() -> pa.Table:
    """Make the first feature of three rows of the fourth batch, and of one later, far from all."""
    x = table().column("x0").to_numpy().copy()
    x[[55, 53, 60, 90]] = 1e6
    return table().set_column(1, "x0", pa.array(x))


@pytest.mark.parametrize("kind", ["undefined", "infinite"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_loss_that_is_not_finite_says_where_it_came_from(split: str, kind: str) -> None:
    rows = table_with_outliers()
    encoder = Encoder.fit(schema("regression"), table(), "column")
    ids = rows.column("id")
    every = Examples(encoder.features(rows), encoder.targets(rows), ids)
    good = Examples(every.x[:51], every.y[:51], ids[:51])
    network = build("model", "tests.own:Odd", {"kind": kind}, 4, 1)
    model = Model(network, encoder, {"name": "mlp"}, "MSELoss")
    loss = build_loss("loss", "MSELoss", {}, "regression", 1)
    with pytest.raises(InputError) as e:
        fitted(params(batch_size=17), model, loss, every if split == "train" else good, every)
    value = "nan" if kind == "undefined" else "inf"
    place = f"loss {value} in epoch 1, step 4"
    if split == "val":
        place = f"val loss {value} in epoch 1"
    ids = "'row 53', 'row 55', 'row 60'"
    assert f"found {place}, first in the rows with id {ids}; " in str(e.value)


@pytest.mark.parametrize("kind", ["normed", "changing"])
def test_the_trial_leaves_all_as_it_was(kind: str) -> None:
    network = build("model", "tests.own:Odd", {"kind": kind}, 4, 3)
    x, y = torch.ones(8, 4), torch.zeros(8, dtype=torch.int64)
    network(x.clone())  # its lazy layer
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = torch.random.get_rng_state()
    try_batch("model", "mlp", network, nn.CrossEntropyLoss(), x, y, 3)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert torch.equal(x, torch.ones(8, 4))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


SCREEN = 90  # lines


def test_the_docs_print_the_loop_which_is_on_one_screen() -> None:
    source = f"{inspect.getsource(train_epoch)}\n\n{inspect.getsource(fit)}"
    assert source.count("\n") <= SCREEN
    printed = f"```python\n{source}```\n"
    page = (ROOT / "docs" / "training.md").read_text()
    assert printed in page, f"write into docs/training.md, under The loop:\n{printed}"


def test_the_lines_of_the_textbook_stand_together() -> None:
    lines = [line.strip() for line in inspect.getsource(train_epoch).splitlines()]
    steps = ("parts.forward(x)", "parts.criterion(", "optimizer.zero_grad()", ".backward()")
    found = [next(i for i, line in enumerate(lines) if step in line) for step in steps]
    assert found == list(range(found[0], found[0] + len(steps)))
