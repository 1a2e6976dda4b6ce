"""Metrics against values worked out by hand, and the default pipeline's figures."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from src.evaluate import (
    classification_metrics,
    confusion,
    expected_calibration_error,
    regression_metrics,
    roc,
)
from tests.conftest import ROOT, YAML_, Project


def test_expected_calibration_error_by_hand() -> None:
    confidence, correct = np.array([0.95, 0.95, 0.55, 0.55]), np.array([1, 1, 1, 0])
    error, table = expected_calibration_error(confidence, correct, bins=10)
    assert error == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)
    assert [(row["accuracy"], row["rows"]) for row in table] == [(0.5, 2), (1.0, 2)]


def test_classification_metrics_by_hand() -> None:
    probability = np.array([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.9, 0.1]])
    found = classification_metrics(np.array([0, 1, 0, 1]), probability.argmax(axis=1), probability)
    assert found["accuracy"] == 0.5
    assert found["f1_macro"] == 0.5
    assert found["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.3, 0.1]).mean())
    assert found["roc_auc"] == 0.25  # of the four pairs of a 1 and a 0, one is in order: 0.6 > 0.2


def test_auc_is_none_where_a_class_has_no_rows() -> None:
    assert classification_metrics(np.array([0, 0]), np.array([0, 0]), np.eye(2))["roc_auc"] is None


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
    assert json.loads((ROOT / "data/evaluation/metrics.json").read_text())["accuracy"] >= 0.97
