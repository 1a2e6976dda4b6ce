"""Scores the model on the test split: metrics, a row a prediction, and what the plots are drawn from."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import Field
from sklearn import metrics as sk

from src.cli import main
from src.errors import InputError
from src.files import whole, write_csv, write_json
from src.model_file import Model
from src.params import Params as BaseParams
from src.params import Section

Array = np.ndarray
Plot = list[dict[str, Any]]  # rows of a plot's CSV file
Plots = dict[str, tuple[list[str], Plot]]  # header and rows by file name


class Evaluate(Section):
    bins: int = Field(10, ge=1, le=1000)
    plot_points: int = Field(200, ge=2, le=100_000)


class Params(BaseParams):
    evaluate: Evaluate


def expected_calibration_error(confidence: Array, correct: Array, bins: int) -> tuple[float, Plot]:
    """Mean |accuracy − confidence| over equal-width bins, weighted by rows; and its table, a row a bin.

    confidence: [rows] in 0…1; correct: [rows] of 0 and 1. Guo et al. 2017, equation 3.
    """
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    table = [
        {
            "confidence": confidence[which == b].mean(),
            "accuracy": correct[which == b].mean(),
            "rows": int(n),
        }
        for b, n in enumerate(np.bincount(which, minlength=bins))
        if n
    ]
    error = sum(row["rows"] * abs(row["accuracy"] - row["confidence"]) for row in table) / len(
        confidence
    )
    return float(error), table


def classification_metrics(
    truth: Array, predicted: Array, probability: Array
) -> dict[str, float | None]:
    """truth, predicted: class indices [rows]; probability: [rows, classes]. Lower case names are scikit-learn's."""
    classes = np.arange(probability.shape[1])
    seen_all = len(np.unique(truth)) == len(classes)  # one-vs-rest needs rows of every class
    score = probability[:, 1] if len(classes) == 2 else probability
    return {
        "accuracy": sk.accuracy_score(truth, predicted),
        "f1_macro": sk.f1_score(truth, predicted, average="macro"),
        "log_loss": sk.log_loss(truth, probability, labels=classes),
        "roc_auc": sk.roc_auc_score(truth, score, multi_class="ovr") if seen_all else None,
    }


def regression_metrics(truth: Array, predicted: Array) -> dict[str, float | None]:
    """truth, predicted: [rows], in the target's unit. R² is none where all targets are equal."""
    return {
        "mse": sk.mean_squared_error(truth, predicted),
        "rmse": sk.root_mean_squared_error(truth, predicted),
        "mae": sk.mean_absolute_error(truth, predicted),
        "r2": sk.r2_score(truth, predicted) if len(truth) > 1 and np.ptp(truth) > 0 else None,
    }


def confusion(truth: list[Any], predicted: list[Any], classes: list[Any]) -> Plot:
    """Counts, a row a pair of classes, zeros included."""
    pairs = list(zip(map(str, truth), map(str, predicted), strict=True))
    names = [str(c) for c in classes]
    matrix = sk.confusion_matrix([t for t, _ in pairs], [p for _, p in pairs], labels=names)
    return [
        {"actual": a, "predicted": b, "rows": int(matrix[i, j])}
        for i, a in enumerate(names)
        for j, b in enumerate(names)
    ]


def roc(truth: Array, probability: Array, classes: list[Any], points: int) -> Plot:
    """One-vs-rest ROC curves; for two classes, that of the second. At most `points` a curve."""
    rows: Plot = []
    for i in range(len(classes)) if len(classes) > 2 else [1]:
        if 0 < (truth == i).sum() < len(truth):
            false_rate, true_rate, _ = sk.roc_curve(truth == i, probability[:, i])
            keep = np.unique(np.linspace(0, len(false_rate) - 1, points).round().astype(int))
            rows += [
                {"class": str(classes[i]), "fpr": false_rate[k], "tpr": true_rate[k]} for k in keep
            ]
    return rows


def classify(p: Evaluate, model: Model, test: pa.Table) -> tuple[dict[str, Any], pa.Table, Plots]:
    """Metrics, predictions (`correct` 0 or 1, `loss` −ln of the true class's probability) and plots."""
    schema = model.encoder.schema
    assert schema.classes is not None
    predicted, probability = model.classify(test)
    labels = model.encoder.labels(predicted)
    truth = model.encoder.targets(test)
    own = probability[torch.arange(len(truth)), truth]
    loss = -own.clamp_min(torch.finfo(torch.float32).tiny).log()
    scores = probability.double().numpy()
    scores /= scores.sum(
        axis=1, keepdims=True
    )  # float32 rows add up to 1 within 1e-7; scikit-learn warns
    target = test.column(schema.target).to_pylist()
    correct = (predicted == truth).numpy()
    metrics = classification_metrics(truth.numpy(), predicted.numpy(), scores)
    metrics["ece"], calibration = expected_calibration_error(scores.max(axis=1), correct, p.bins)
    predictions = pa.table(
        {
            "id": test.column("id"),
            "target": test.column(schema.target),
            "prediction": pa.array(labels, test.schema.field(schema.target).type),
            **{f"probability_{c}": probability[:, i].numpy() for i, c in enumerate(schema.classes)},
            "correct": correct.astype(np.int8),
            "loss": loss.numpy(),
        }
    )
    curves = roc(truth.numpy(), scores, schema.classes, p.plot_points)
    plots = {
        "confusion": (["actual", "predicted", "rows"], confusion(target, labels, schema.classes)),
        "roc": (["class", "fpr", "tpr"], curves),
        "calibration": (["confidence", "accuracy", "rows"], calibration),
    }
    return metrics, predictions, plots


def regress(p: Evaluate, model: Model, test: pa.Table) -> tuple[dict[str, Any], pa.Table, Plots]:
    """Metrics, predictions (`loss` is the squared error) and plots, in the target's unit."""
    target = test.column(model.encoder.schema.target)
    truth = np.asarray(target.cast(pa.float64()).to_numpy(), dtype=np.float64)
    predicted = model.estimate(test).double().numpy()
    columns = {
        "id": test.column("id"),
        "target": truth,
        "prediction": predicted,
        "loss": (truth - predicted) ** 2,
    }
    first = [
        {"actual": float(a), "predicted": float(b)} for a, b in zip(truth, predicted, strict=True)
    ]
    plots = {"predicted": (["actual", "predicted"], first[: p.plot_points])}
    return regression_metrics(truth, predicted), pa.table(columns), plots


def run(params: Params, model: Path, prepared: Path, evaluation: Path) -> None:
    torch.set_num_threads(1)  # sums in more parts differ in the last bit
    trained = Model.load(model / "model.safetensors")
    test = pq.read_table(prepared / "test.parquet")
    if test.num_rows == 0:
        raise InputError(prepared / "test.parquet", "no rows", "rows to test on")
    task = classify if trained.encoder.schema.task == "classification" else regress
    metrics, predictions, plots = task(params.evaluate, trained, test)
    for name, (header, rows) in plots.items():
        write_csv(evaluation / "plots" / f"{name}.csv", header, rows)
    with whole(evaluation / "predictions.parquet") as part:
        pq.write_table(predictions, part)
    # Six decimals: what is beyond differs between machines.
    rounded = {k: None if v is None else round(float(v), 6) for k, v in metrics.items()}
    write_json(evaluation / "metrics.json", rounded)
    print("  ".join(f"{k} {v}" for k, v in rounded.items()))


if __name__ == "__main__":
    main(run)
