"""Metrics and baselines against values worked out by hand, and the default pipeline's figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn import metrics as sk

from src.encoder import Encoder
from src.errors import InputError
from src.evaluate import JUDGES, Params, confusion, roc, run
from src.model_file import Model
from src.models import build
from src.schema import Column, Rows, Schema
from src.scoring import baselines
from src.scoring.metrics import (
    average_precision_shares,
    balanced_shares,
    classification_metrics,
    expected_calibration_error,
    positive_classes,
    precision_shares,
    recall_at_precision,
    regression_metrics,
)
from src.tables.csv_files import dialect
from src.tables.format import Csv
from tests.conftest import ROOT, YAML_, Project


def test_expected_calibration_error_by_hand() -> None:
    confidence, correct = np.array([0.95, 0.95, 0.55, 0.55]), np.array([1, 1, 1, 0])
    error, table = expected_calibration_error(confidence, correct, bins=10)
    assert error == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)
    assert [(row["accuracy"], row["rows"]) for row in table] == [(0.5, 2), (1.0, 2)]


def test_classification_metrics_by_hand() -> None:
    probability = np.array([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.9, 0.1]])
    truth, predicted = np.array([0, 1, 0, 1]), probability.argmax(axis=1)
    found = classification_metrics(truth, predicted, probability, [1], 0.9)
    assert found["accuracy"] == 0.5
    assert found["balanced_accuracy"] == 0.5
    assert found["f1_macro"] == 0.5
    assert found["average_precision"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found["recall_at_precision"] == 0.0
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.3, 0.1]).mean())
    assert found["roc_auc"] == 0.25  # of the four pairs of a 1 and a 0, one is in order: 0.6 > 0.2


def test_auc_is_none_where_a_class_has_no_rows() -> None:
    zeros = np.array([0, 0])
    found = classification_metrics(zeros, zeros, np.eye(2), [1], 0.9)
    undefined = {name for name, value in found.items() if value is None}
    assert undefined == {"roc_auc", "average_precision", "recall_at_precision"}


@pytest.mark.parametrize("steps", [3, 20, 10**6])
def test_shares_of_average_precision_have_scikit_learns_as_mean(steps: int) -> None:
    generator = np.random.default_rng(steps)
    for rows in (2, 7, 200):
        positive = generator.random(rows) < 0.3
        positive[0] = True
        score = generator.integers(0, steps, rows) / steps  # few steps: ties
        shares = average_precision_shares(positive, score)
        assert shares.mean() == pytest.approx(sk.average_precision_score(positive, score))


def test_shares_of_average_precision_are_each_rows_influence() -> None:
    """Give one row a little more weight than the others: the metric moves by its share."""
    generator = np.random.default_rng(0)
    positive, score = generator.random(50) < 0.3, generator.integers(0, 20, 50) / 20
    shares = average_precision_shares(positive, score)
    for i in range(50):
        weights = np.ones(50)
        weights[i] += 1e-6
        moved = sk.average_precision_score(positive, score, sample_weight=weights) - shares.mean()
        assert (shares[i] - shares.mean()) / 50 == pytest.approx(moved / 1e-6, abs=1e-4)


def test_average_precision_of_more_classes_is_the_mean_of_those_that_have_rows() -> None:
    generator = np.random.default_rng(0)
    truth, probability = generator.integers(0, 3, 60), generator.dirichlet(np.ones(4), 60)
    one_against_the_rest = [
        sk.average_precision_score(truth == i, probability[:, i]) for i in range(3)
    ]
    shares = precision_shares(truth, probability, range(4))
    assert shares.mean() == pytest.approx(np.mean(one_against_the_rest))


def test_shares_of_balanced_accuracy_have_scikit_learns_as_mean() -> None:
    generator = np.random.default_rng(0)
    truth, predicted = generator.integers(0, 3, 60), generator.integers(0, 3, 60)
    expected = sk.balanced_accuracy_score(truth, predicted)
    assert balanced_shares(truth, predicted).mean() == pytest.approx(expected)


def test_recall_at_a_precision_by_hand() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    truth, probability = np.array([1, 1, 0, 1, 0]), np.stack([1 - score, score], axis=1)
    for least, recall in ((0.9, 2 / 3), (0.75, 1.0), (1.0, 2 / 3)):
        assert recall_at_precision(truth, probability, [1], least) == pytest.approx(recall)


@pytest.mark.parametrize(
    ("counts", "positives"),
    [([90, 10], [1]), ([10, 90], [0]), ([45, 55], [1]), ([50, 50], [1]), ([5, 9, 1], [0, 1, 2])],
)
def test_of_two_classes_the_rare_one_is_positive(counts: list[int], positives: list[int]) -> None:
    assert positive_classes(np.array(counts)) == positives


def test_regression_metrics_by_hand() -> None:
    found = regression_metrics(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0]))
    assert found == {
        "mse": pytest.approx(4 / 3),
        "rmse": pytest.approx((4 / 3) ** 0.5),
        "mae": pytest.approx(2 / 3),
        "r2": pytest.approx(1 - 4 / 2),
    }


def test_confusion_counts_every_pair() -> None:
    assert confusion(["a", "b", "b"], ["a", "a", "b"], ["a", "b"]) == [
        {"actual": "a", "predicted": "a", "rows": 1},
        {"actual": "a", "predicted": "b", "rows": 0},
        {"actual": "b", "predicted": "a", "rows": 1},
        {"actual": "b", "predicted": "b", "rows": 1},
    ]


def test_a_roc_curve_keeps_its_ends_and_at_most_so_many_points() -> None:
    score = np.random.default_rng(0).random(1000)
    truth = (score + np.random.default_rng(1).random(1000) > 1).astype(int)
    rows = roc(truth, np.stack([1 - score, score], 1), [0, 1], 20)
    assert (rows[0]["fpr"], rows[0]["tpr"], rows[-1]["fpr"], rows[-1]["tpr"]) == (0, 0, 1, 1)
    assert len(rows) <= 20


def test_metrics_follow_from_the_predictions(finished: Project) -> None:
    metrics = json.loads((finished.root / "data/evaluation/metrics.json").read_text())
    rows = pq.read_table(finished.root / "data/evaluation/predictions.parquet").to_pylist()
    assert metrics["accuracy"] == round(sum(r["correct"] for r in rows) / len(rows), 6)
    for name in ("balanced_accuracy", "average_precision"):
        assert metrics[name] == pytest.approx(sum(r[name] for r in rows) / len(rows), abs=1e-6)
    assert metrics["log_loss"] == pytest.approx(sum(r["loss"] for r in rows) / len(rows), abs=1e-5)
    assert all((r["prediction"] == r["target"]) == bool(r["correct"]) for r in rows)
    assert all(abs(sum(r[f"probability_{c}"] for c in range(10)) - 1) < 1e-5 for r in rows)


def test_dvc_draws_every_declared_plot(finished: Project) -> None:
    finished.run("dvc", "plots", "show")
    page = (finished.root / "dvc_plots/index.html").read_text()
    plots = [next(iter(p)) for p in YAML_.load(ROOT / "dvc.yaml")["plots"]]
    assert len(plots) == 4
    for plot in plots:
        assert f"vegaEmbed('#{plot.replace('/', '_').replace('.', '_')}'" in page


def test_the_committed_metrics_of_digits_are_good() -> None:
    found = json.loads((ROOT / "data/evaluation/metrics.json").read_text())
    assert found["accuracy"] >= 0.97
    assert all(found["accuracy"] > simple["accuracy"] for simple in found["baseline"].values())


def params(evaluate: dict[str, Any], model: str = "linear") -> Params:
    return Params.model_validate({"evaluate": evaluate, "train": {"model": {"name": model}}})


def scored(
    folder: Path,
    train: dict[str, Any],
    test: dict[str, Any],
    task: str = "classification",
    model: dict[str, Any] | None = None,
    **p: Any,
) -> dict[str, Any]:
    """Evaluate an untrained model of these columns, linear unless named; return metrics.json.

    Of a column's values, text is a category. `y` is the target.
    """
    tables = {
        split: pa.table({"id": [f"{split} {i}" for i in range(len(columns["y"]))], **columns})
        for split, columns in (("train", train), ("test", test))
    }
    columns = []
    for name, values in train.items():
        categories = sorted(set(values)) if isinstance(values[0], str) else None
        column = Column(
            name=name,
            type="VARCHAR" if categories else "DOUBLE",
            kind="category" if categories else "number",
            missing=0,
            categories=categories,
        )
        if name != "y":
            columns.append(column)
    schema = Schema.model_validate(
        {
            "task": task,
            "target": "y",
            "target_type": "",
            "id": None,
            "format": dialect([Path("table.parquet")], Csv()),
            "columns": columns,
            "ignored": {},
            "classes": sorted({*train["y"], *test["y"]}) if task == "classification" else None,
            "rows": Rows(read=0, without_target=0, train=0, val=0, test=0),
        }
    )
    encoder = Encoder.fit(schema, tables["train"], "column")
    torch.manual_seed(0)
    spec = model or {"name": "linear"}
    name, *arguments = spec
    kwargs = {key: spec[key] for key in arguments}
    network = build("model", spec[name], kwargs, encoder.width, encoder.outputs)
    loss = "CrossEntropyLoss" if task == "classification" else "MSELoss"
    Model(network, encoder, spec, loss).save(folder / "model.safetensors")
    for split, table in tables.items():
        pq.write_table(table, folder / f"{split}.parquet", row_group_size=100)
    run(params(p, spec[name]), folder, folder, folder)
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def rare(rows: int, names: tuple[str, str] = ("no", "yes")) -> dict[str, Any]:
    """Make a table with 3 % of the second class, which a linear model finds well, not always."""
    generator = np.random.default_rng(rows)
    y = generator.random(rows) < 0.03
    x = generator.normal(size=rows) + 4 * y
    return {"x": x, "group": ["a", "b"] * (rows // 2), "y": [names[int(value)] for value in y]}


def test_a_baseline_of_shares_and_one_of_logistic_regression(tmp_path: Path) -> None:
    train, test = rare(2000), rare(1000)
    found = scored(tmp_path, train, test)["baseline"]
    positive = np.array(test["y"]) == "yes"
    share = np.mean(np.array(train["y"]) == "yes")
    expected = -np.where(positive, np.log(share), np.log(1 - share)).mean()
    assert found["majority"]["accuracy"] == round(1 - positive.mean(), 6)
    assert found["majority"]["balanced_accuracy"] == 0.5
    assert found["majority"]["log_loss"] == pytest.approx(expected, abs=1e-6)
    assert found["majority"]["average_precision"] == round(positive.mean(), 6)
    assert found["majority"]["recall_at_precision"] == 0.0
    assert 0.7 < found["logistic"]["average_precision"] < 1
    assert found["logistic"]["log_loss"] < found["majority"]["log_loss"] / 2


def test_the_rare_class_is_judged_whichever_name_comes_first(tmp_path: Path) -> None:
    one = scored(tmp_path, rare(2000), rare(1000))
    names = ("z: not", "a: found")
    other = scored(tmp_path, rare(2000, names), rare(1000, names))
    for name in ("average_precision", "recall_at_precision", "log_loss"):
        assert one["baseline"]["logistic"][name] == other["baseline"]["logistic"][name]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "judge by average_precision, not by accuracy, for 97.1 % of the test rows are of one"),
        ({"metric": "accuracy"}, "judge by average_precision, not by accuracy, for 97.1 % of the"),
        ({"metric": "log_loss"}, "judge by log_loss: model "),
        ({"metric": "balanced_accuracy"}, "judge by balanced_accuracy: model "),
    ],
)
def test_it_says_which_metric_to_judge_by(
    given: dict[str, Any], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = scored(tmp_path, rare(2000), rare(1000), **given)
    _, judged = capsys.readouterr().out.splitlines()
    assert judged.startswith(line)
    metric = judged.split()[2].strip(",:")
    model, logistic = found[metric], found["baseline"]["logistic"][metric]
    majority = found["baseline"]["majority"][metric]
    assert f": model {model}, majority {majority}, logistic {logistic}" in judged
    assert "; the model does not beat " in judged
    assert judged.endswith("logistic")


def test_where_classes_are_even_accuracy_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"x": [0.0, 1.0] * 20, "y": [0, 1] * 20}
    scored(tmp_path, table, table)
    assert capsys.readouterr().out.splitlines()[1].startswith("judge by accuracy: model ")


def test_a_regression_has_the_mean_and_ridge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.linspace(-1, 1, 200)
    table = {"x": x, "y": 1e6 + 5 * x}
    found = scored(tmp_path, table, table, "regression", metric="mae")
    assert found["baseline"]["mean"]["r2"] == 0
    assert found["baseline"]["mean"]["mse"] == pytest.approx((5 * x).var(), abs=1e-5)
    assert found["baseline"]["ridge"]["r2"] > 0.999
    assert "judge by mae: model " in capsys.readouterr().out
    rows = pq.read_table(tmp_path / "predictions.parquet").to_pandas()
    assert found["mae"] == pytest.approx(rows["absolute_error"].mean())


@pytest.mark.parametrize("metric", ["mse", "mae"])
def test_a_metric_of_the_other_task_is_one_line(metric: str, tmp_path: Path) -> None:
    expected = "a metric of classification that is a mean over rows: accuracy, balanced_accuracy"
    with pytest.raises(InputError, match=f"evaluate.metric: found {metric}; expected {expected}"):
        scored(tmp_path, rare(200), rare(100), metric=metric)
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize("metric", JUDGES["classification"])
def test_what_judges_is_the_mean_of_a_column(metric: str, tmp_path: Path) -> None:
    found = scored(tmp_path, rare(2000), rare(1000))
    entry = YAML_.load(ROOT / "dvc.yaml")["stages"]["evaluate"]["outs"][1]
    declared = entry["data/evaluation/predictions.parquet"]["meta"]["reprise"]["predictions"]
    column = pq.read_table(tmp_path / "predictions.parquet").column(
        declared["metrics"][metric]["column"]
    )
    assert found[metric] == pytest.approx(np.mean(column.to_numpy()), abs=1e-6)


def test_a_class_that_the_model_does_not_know_is_one_line(tmp_path: Path) -> None:
    scored(tmp_path, rare(200), rare(100))
    table = pq.read_table(tmp_path / "test.parquet")
    new = table.slice(0, 1).set_column(3, "y", pa.array(["yes!"]))
    pq.write_table(pa.concat_tables([table, new]), tmp_path / "test.parquet")
    said = "column 'y': found 'yes!'; expected a class of the model: one of no, yes (did you mean"
    with pytest.raises(InputError) as e:
        run(
            Params.model_validate({"evaluate": {}, "train": {"model": {"name": "linear"}}}),
            tmp_path,
            tmp_path,
            tmp_path,
        )
    assert str(e.value).startswith(said)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_full_memory_is_one_line_of_rows_and_columns(task: str, tmp_path: Path) -> None:
    table = {"x": [0.0, 1.0] * 20, "y": [0, 1] * 20}
    model = {"name": "tests.own:Odd", "kind": "huge"}
    with pytest.raises(InputError) as e:
        scored(tmp_path, table, table, task, model)
    said = "found 40 rows x 1 columns, too much for the memory; expected fewer rows or columns"
    assert str(e.value).startswith(f"{tmp_path / 'test.parquet'}: {said}")
    assert not (tmp_path / "metrics.json").exists()


ODD: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    "one class in training": (
        {"x": [1.0, 2.0], "y": ["a", "a"]},
        {"x": [1.0, 2.0], "y": ["a", "b"]},
        {"majority"},
    ),
    "a class without test rows": (
        {"x": [1.0, 2.0, 3.0], "y": ["a", "b", "c"]},
        {"x": [1.0, 3.0], "y": ["a", "c"]},
        {"majority", "logistic"},
    ),
    "only missing values": (
        {"x": [np.nan, np.nan], "y": ["a", "b"]},
        {"x": [np.nan, np.nan], "y": ["a", "b"]},
        {"majority", "logistic"},
    ),
    "a constant": (
        {"x": [5.0, 5.0, 5.0], "y": ["a", "b", "b"]},
        {"x": [5.0, 6.0], "y": ["a", "b"]},
        {"majority", "logistic"},
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_tables_have_the_baselines_that_they_allow(kind: str, tmp_path: Path) -> None:
    train, test, names = ODD[kind]
    found = scored(tmp_path, train, test)["baseline"]
    assert found.keys() == names
    for metrics in found.values():
        assert all(value is None or np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_big_tables_are_sampled_by_a_fixed_rule(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = rare(2000), rare(1000)
    if task == "regression":
        train["y"], test["y"] = train["x"] * 2, test["x"] * 2
    whole = scored(tmp_path, train, test, task)["baseline"]
    monkeypatch.setattr(baselines, "MOST_VALUES", 600)  # 200 rows of 3 features
    monkeypatch.setattr(baselines, "BATCH", 64)
    part = scored(tmp_path, train, test, task)["baseline"]
    assert part == scored(tmp_path, train, test, task)["baseline"]
    simple, linear = whole
    assert part[simple] == whole[simple]
    assert part[linear] != whole[linear]
    encoder = Model.load(tmp_path / "model.safetensors", "".__eq__).encoder
    ids = baselines.sample(tmp_path / "train.parquet", encoder).column("id").to_pylist()
    numbers = [int(name.removeprefix("train ")) for name in ids]
    assert len(set(numbers)) == 200
    assert numbers == sorted(numbers)
    assert numbers[-1] > 1800


def test_rows_of_a_class_that_the_model_does_not_know_are_left_out(tmp_path: Path) -> None:
    train, test = rare(2000), rare(1000)
    before = scored(tmp_path, train, test)["baseline"]
    table = pq.read_table(tmp_path / "train.parquet")
    unknown = table.slice(0, 50).set_column(3, "y", pa.array(["new"] * 50))
    pq.write_table(pa.concat_tables([unknown, table]), tmp_path / "train.parquet")
    run(params({}), tmp_path, tmp_path, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["baseline"] == before
