"""Scores the model on the test split: metrics, a row a prediction, what plots are drawn from."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from pydantic import Field
from sklearn import metrics as sk

from src.cli import main
from src.encoder import numbers
from src.errors import InputError, in_memory
from src.files import whole, write_csv, write_json
from src.model_file import Model
from src.params import Fraction, Section, StageParams, TrainedModel
from src.schema import Schema, Task
from src.scoring.baselines import class_counts, classifiers, regressors
from src.scoring.metrics import (
    Array,
    Metrics,
    Rows,
    balanced_shares,
    classification_metrics,
    expected_calibration_error,
    is_better,
    positive_classes,
    precision_shares,
    regression_metrics,
    rounded,
)

Plots = dict[str, tuple[list[str], Rows]]  # header and rows of a CSV file, by its name
# What can be judged by: means over rows, which `predictions.parquet` has. The first is the default.
JUDGES: dict[Task, list[str]] = {
    "classification": ["accuracy", "balanced_accuracy", "average_precision", "log_loss"],
    "regression": ["mse", "mae"],
}
LOPSIDED = 0.8  # share of the largest class from which accuracy is no judge


class Evaluate(Section):
    """Holds the section `evaluate` of params.yaml."""

    metric: (
        Literal["accuracy", "balanced_accuracy", "average_precision", "log_loss", "mse", "mae"]
        | None
    ) = None
    precision: Fraction = 0.9
    bins: int = Field(10, ge=1, le=1000)
    plot_points: int = Field(200, ge=2, le=100_000)


class Params(StageParams):
    """Holds what the stage reads of params.yaml."""

    evaluate: Evaluate
    train: TrainedModel


class Scores(NamedTuple):
    """Holds what the stage writes: predictions has a row for each test row."""

    metrics: Metrics
    baselines: dict[str, Metrics]
    predictions: pa.Table
    plots: Plots

    def rounded(self) -> "Scores":
        """Round the metrics, as they are written."""
        baselines = {name: rounded(metrics) for name, metrics in self.baselines.items()}
        return self._replace(metrics=rounded(self.metrics), baselines=baselines)


def confusion(truth: list[Any], predicted: list[Any], classes: list[Any]) -> Rows:
    """Count the rows of each pair of classes, zeros included."""
    names = [str(c) for c in classes]
    matrix = sk.confusion_matrix(list(map(str, truth)), list(map(str, predicted)), labels=names)
    table: Rows = []
    for i, actual in enumerate(names):
        for j, name in enumerate(names):
            table.append({"actual": actual, "predicted": name, "rows": int(matrix[i, j])})
    return table


def roc(truth: Array, probability: Array, classes: list[Any], points: int) -> Rows:
    """Compute one-vs-rest ROC curves of at most `points` each; for two classes, the second's."""
    rows: Rows = []
    drawn = [*range(len(classes))] if len(classes) > 2 else [1]
    for i in drawn:
        positive = truth == i
        if not 0 < positive.sum() < len(truth):
            continue  # a curve needs rows of both
        false_rate, true_rate, _ = sk.roc_curve(positive, probability[:, i])
        kept = np.unique(np.linspace(0, len(false_rate) - 1, points).round().astype(int))
        name = str(classes[i])
        rows += [{"class": name, "fpr": false_rate[k], "tpr": true_rate[k]} for k in kept]
    return rows


def classify(p: Evaluate, model: Model, train: Path, test: pa.Table) -> Scores:
    """Score a classifier.

    Predictions have `correct`, 0 or 1, `loss`, −ln of the true class's probability, and what each
    row adds to `balanced_accuracy` and `average_precision`.
    """
    encoder, schema = model.encoder, model.encoder.schema
    assert schema.classes is not None
    predicted, probability = model.classify(test)
    labels = encoder.labels(predicted)
    truth = encoder.targets(test)
    of_truth = probability[torch.arange(len(truth)), truth]
    loss = -of_truth.clamp_min(torch.finfo(torch.float32).tiny).log()
    correct = (predicted == truth).numpy()
    # Rows of float32 add up to 1 within 1e-7, of which scikit-learn warns.
    scores = probability.double().numpy()
    scores /= scores.sum(axis=1, keepdims=True)
    counts = class_counts(train, schema)
    positives = positive_classes(counts)
    truths, guesses = truth.numpy(), predicted.numpy()
    metrics = classification_metrics(truths, guesses, scores, positives, p.precision)
    metrics["ece"], calibration = expected_calibration_error(scores.max(axis=1), correct, p.bins)
    baselines = {}
    for name, simple in classifiers(encoder, train, counts, encoder.features(test)).items():
        baselines[name] = classification_metrics(truths, *simple, positives, p.precision)
    target = test.column(schema.target)
    columns = {
        "id": test.column("id"),
        "target": target,
        "prediction": pa.array(labels, target.type),
    }
    for i, label in enumerate(schema.classes):
        columns[f"probability_{label}"] = probability[:, i].numpy()
    columns["correct"] = correct.astype(np.int8)
    columns["loss"] = loss.numpy()
    columns["balanced_accuracy"] = balanced_shares(truths, guesses)
    columns["average_precision"] = precision_shares(truths, scores, positives)
    pairs = confusion(target.to_pylist(), labels, schema.classes)
    curves = roc(truths, scores, schema.classes, p.plot_points)
    plots = {
        "confusion": (["actual", "predicted", "rows"], pairs),
        "roc": (["class", "fpr", "tpr"], curves),
        "calibration": (["confidence", "accuracy", "rows"], calibration),
    }
    return Scores(metrics, baselines, pa.table(columns), plots)


def regress(p: Evaluate, model: Model, train: Path, test: pa.Table) -> Scores:
    """Score a regression, in the target's unit; the predictions' `loss` is the squared error."""
    encoder = model.encoder
    truth = numbers(test.column(encoder.schema.target))
    predicted = model.estimate(test).double().numpy()
    baselines = {}
    for name, prediction in regressors(encoder, train, encoder.features(test)).items():
        baselines[name] = regression_metrics(truth, prediction)
    columns = {
        "id": test.column("id"),
        "target": truth,
        "prediction": predicted,
        "loss": (truth - predicted) ** 2,
        "absolute_error": np.abs(truth - predicted),
    }
    pairs = zip(truth[: p.plot_points], predicted[: p.plot_points], strict=True)
    points = [{"actual": float(a), "predicted": float(b)} for a, b in pairs]
    plots = {"predicted": (["actual", "predicted"], points)}
    return Scores(regression_metrics(truth, predicted), baselines, pa.table(columns), plots)


def judging_metric(p: Evaluate, task: Task) -> str:
    """Return the metric to judge by; raise InputError for one that is not of the task."""
    known = JUDGES[task]
    if p.metric is None:
        return known[0]
    if p.metric not in known:
        expected = f"a metric of {task} that is a mean over rows: {', '.join(known)}"
        raise InputError("params.yaml: evaluate.metric", p.metric, expected)
    return p.metric


def judgement(metric: str, share: float, scores: Scores) -> str:
    """Say which metric to judge by, and what it is of the model and of the baselines.

    metric: that of the params; share: of the most frequent class in the test rows.
    """
    text = f"judge by {metric}"
    if metric == "accuracy" and share >= LOPSIDED:
        metric = "average_precision"
        text = (
            f"judge by {metric}, not by accuracy, for {100 * share:.1f} % of the test rows are of"
            " one class (say so in evaluate.metric of params.yaml, or reports go by accuracy)"
        )
    value = scores.metrics[metric]
    text += f": model {value}"
    unbeaten = []
    for name, metrics in scores.baselines.items():
        baseline = metrics[metric]
        text += f", {name} {baseline}"
        if value is not None and baseline is not None and not is_better(metric, value, baseline):
            unbeaten.append(name)
    if unbeaten:
        text += f"; the model does not beat {' and '.join(unbeaten)}"
    return text


def largest_share(test: pa.Table, schema: Schema) -> float:
    """Compute the share of the most frequent class in the test rows; 0 for a regression."""
    if schema.classes is None:
        return 0.0
    counts = pc.value_counts(test.column(schema.target)).field("counts")
    return float(pc.max(counts).as_py() / test.num_rows)


def run(params: Params, model: Path, prepared: Path, evaluation: Path) -> None:
    """Score the test split, and write metrics, predictions and the data of plots.

    The training split is for the baselines.
    """
    torch.set_num_threads(1)  # sums in more parts differ in the last bit
    p = params.evaluate
    trained = Model.load(model / "model.safetensors", trusts=params.train.trusts)
    schema = trained.encoder.schema
    metric = judging_metric(p, schema.task)
    train, file = prepared / "train.parquet", prepared / "test.parquet"
    rows = pq.read_metadata(file).num_rows
    if rows == 0:
        raise InputError(file, "no rows", "rows to test on")
    score = classify if schema.task == "classification" else regress
    with in_memory(file, rows, trained.encoder.width, "fewer rows or columns"):
        test = pq.read_table(file)
        scores = score(p, trained, train, test).rounded()
    for name, (header, points) in scores.plots.items():
        write_csv(evaluation / "plots" / f"{name}.csv", header, points)
    with whole(evaluation / "predictions.parquet") as part:
        pq.write_table(scores.predictions, part)
    write_json(evaluation / "metrics.json", {**scores.metrics, "baseline": scores.baselines})
    print("  ".join(f"{name} {value}" for name, value in scores.metrics.items()))
    print(judgement(metric, largest_share(test, schema), scores))


if __name__ == "__main__":
    main(run)
