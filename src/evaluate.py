"""Scores the model on the test split: metrics, a row a prediction, what plots are drawn from."""

from pathlib import Path
from typing import Any, NamedTuple

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
from src.params import Section, StageParams

Array = np.ndarray
Plot = list[dict[str, Any]]  # rows of a plot's CSV file
Plots = dict[str, tuple[list[str], Plot]]  # header and rows by file name
Metrics = dict[str, float | None]  # none where the rows do not define it


class Evaluate(Section):
    """Holds the section `evaluate` of params.yaml."""

    bins: int = Field(10, ge=1, le=1000)
    plot_points: int = Field(200, ge=2, le=100_000)


class Params(StageParams):
    """Holds what the stage reads of params.yaml."""

    evaluate: Evaluate


class Scores(NamedTuple):
    """Holds what the stage writes: predictions has a row for each test row."""

    metrics: Metrics
    predictions: pa.Table
    plots: Plots


def expected_calibration_error(confidence: Array, correct: Array, bins: int) -> tuple[float, Plot]:
    """Compute mean |accuracy − confidence| over equal-width bins, weighted by rows.

    confidence: [rows] in 0…1; correct: [rows] of 0 and 1. Guo et al. 2017, equation 3. Returns also
    its table, a row for each bin that has rows.
    """
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    table: Plot = []
    error = 0.0
    for b, rows in enumerate(np.bincount(which, minlength=bins)):
        if rows:
            mean, accuracy = confidence[which == b].mean(), correct[which == b].mean()
            table.append({"confidence": mean, "accuracy": accuracy, "rows": int(rows)})
            error += int(rows) * abs(accuracy - mean)
    return float(error / len(confidence)), table


def classification_metrics(truth: Array, predicted: Array, probability: Array) -> Metrics:
    """Compute the metrics of scikit-learn that have these names.

    truth, predicted: class indices [rows]; probability: [rows, classes].
    """
    classes = np.arange(probability.shape[1])
    score = probability[:, 1] if len(classes) == 2 else probability
    roc_auc = None
    if len(np.unique(truth)) == len(classes):  # one-vs-rest needs rows of every class
        roc_auc = sk.roc_auc_score(truth, score, multi_class="ovr")
    return {
        "accuracy": sk.accuracy_score(truth, predicted),
        "f1_macro": sk.f1_score(truth, predicted, average="macro"),
        "log_loss": sk.log_loss(truth, probability, labels=classes),
        "roc_auc": roc_auc,
    }


def regression_metrics(truth: Array, predicted: Array) -> Metrics:
    """Compute metrics of truth and predicted [rows], in the target's unit.

    R² is none where all targets are equal.
    """
    r2 = None
    if len(truth) > 1 and np.ptp(truth) > 0:
        r2 = sk.r2_score(truth, predicted)
    return {
        "mse": sk.mean_squared_error(truth, predicted),
        "rmse": sk.root_mean_squared_error(truth, predicted),
        "mae": sk.mean_absolute_error(truth, predicted),
        "r2": r2,
    }


def confusion(truth: list[Any], predicted: list[Any], classes: list[Any]) -> Plot:
    """Count the rows of each pair of classes, zeros included."""
    names = [str(c) for c in classes]
    matrix = sk.confusion_matrix(list(map(str, truth)), list(map(str, predicted)), labels=names)
    table: Plot = []
    for i, actual in enumerate(names):
        for j, name in enumerate(names):
            table.append({"actual": actual, "predicted": name, "rows": int(matrix[i, j])})
    return table


def roc(truth: Array, probability: Array, classes: list[Any], points: int) -> Plot:
    """Compute one-vs-rest ROC curves of at most `points` each; for two classes, the second's."""
    rows: Plot = []
    for i in range(len(classes)) if len(classes) > 2 else [1]:
        positive = truth == i
        if not 0 < positive.sum() < len(truth):
            continue  # a curve needs rows of both
        false_rate, true_rate, _ = sk.roc_curve(positive, probability[:, i])
        kept = np.unique(np.linspace(0, len(false_rate) - 1, points).round().astype(int))
        name = str(classes[i])
        rows += [{"class": name, "fpr": false_rate[k], "tpr": true_rate[k]} for k in kept]
    return rows


def classify(p: Evaluate, model: Model, test: pa.Table) -> Scores:
    """Score a classifier.

    Predictions have `correct`, 0 or 1, and `loss`, −ln of the true class's probability.
    """
    schema = model.encoder.schema
    assert schema.classes is not None
    predicted, probability = model.classify(test)
    labels = model.encoder.labels(predicted)
    truth = model.encoder.targets(test)
    of_truth = probability[torch.arange(len(truth)), truth]
    loss = -of_truth.clamp_min(torch.finfo(torch.float32).tiny).log()
    correct = (predicted == truth).numpy()
    # Rows of float32 add up to 1 within 1e-7, of which scikit-learn warns.
    scores = probability.double().numpy()
    scores /= scores.sum(axis=1, keepdims=True)
    metrics = classification_metrics(truth.numpy(), predicted.numpy(), scores)
    metrics["ece"], calibration = expected_calibration_error(scores.max(axis=1), correct, p.bins)
    target = test.column(schema.target)
    columns = {
        "id": test.column("id"),
        "target": target,
        "prediction": pa.array(labels, target.type),
    }
    for i, name in enumerate(schema.classes):
        columns[f"probability_{name}"] = probability[:, i].numpy()
    columns["correct"] = correct.astype(np.int8)
    columns["loss"] = loss.numpy()
    pairs = confusion(target.to_pylist(), labels, schema.classes)
    curves = roc(truth.numpy(), scores, schema.classes, p.plot_points)
    plots = {
        "confusion": (["actual", "predicted", "rows"], pairs),
        "roc": (["class", "fpr", "tpr"], curves),
        "calibration": (["confidence", "accuracy", "rows"], calibration),
    }
    return Scores(metrics, pa.table(columns), plots)


def regress(p: Evaluate, model: Model, test: pa.Table) -> Scores:
    """Score a regression, in the target's unit; the predictions' `loss` is the squared error."""
    target = test.column(model.encoder.schema.target)
    truth = np.asarray(target.cast(pa.float64()).to_numpy(), dtype=np.float64)
    predicted = model.estimate(test).double().numpy()
    columns = {
        "id": test.column("id"),
        "target": truth,
        "prediction": predicted,
        "loss": (truth - predicted) ** 2,
    }
    pairs = zip(truth[: p.plot_points], predicted[: p.plot_points], strict=True)
    points = [{"actual": float(a), "predicted": float(b)} for a, b in pairs]
    plots = {"predicted": (["actual", "predicted"], points)}
    return Scores(regression_metrics(truth, predicted), pa.table(columns), plots)


def rounded(metrics: Metrics) -> Metrics:
    """Round to six decimals: what is beyond differs between machines."""
    return {k: None if v is None else round(float(v), 6) for k, v in metrics.items()}


def run(params: Params, model: Path, prepared: Path, evaluation: Path) -> None:
    """Score the test split, and write metrics, predictions and the data of plots."""
    torch.set_num_threads(1)  # sums in more parts differ in the last bit
    trained = Model.load(model / "model.safetensors")
    test = pq.read_table(prepared / "test.parquet")
    if test.num_rows == 0:
        raise InputError(prepared / "test.parquet", "no rows", "rows to test on")
    is_classifier = trained.encoder.schema.task == "classification"
    score = classify if is_classifier else regress
    scores = score(params.evaluate, trained, test)
    for name, (header, rows) in scores.plots.items():
        write_csv(evaluation / "plots" / f"{name}.csv", header, rows)
    with whole(evaluation / "predictions.parquet") as part:
        pq.write_table(scores.predictions, part)
    metrics = rounded(scores.metrics)
    write_json(evaluation / "metrics.json", metrics)
    print("  ".join(f"{name} {value}" for name, value in metrics.items()))


if __name__ == "__main__":
    main(run)
