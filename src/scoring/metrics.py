"""Computes metrics, and for those that are means over rows what each row adds to them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics as sk

Array = np.ndarray
Metrics = dict[str, float | None]  # none where the rows do not define it
Rows = list[dict[str, Any]]

# Of the others, higher is better.
LOWER = {"log_loss", "ece", "mse", "rmse", "mae"}


def expected_calibration_error(confidence: Array, correct: Array, bins: int) -> tuple[float, Rows]:
    """Compute mean |accuracy − confidence| over equal-width bins, weighted by rows.

    confidence: [rows] in 0…1; correct: [rows] of 0 and 1. Guo et al. 2017, equation 3. Returns also
    its table, a row for each bin that has rows.
    """
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    table: Rows = []
    error = 0.0
    for b, rows in enumerate(np.bincount(which, minlength=bins)):
        if rows:
            mean, accuracy = confidence[which == b].mean(), correct[which == b].mean()
            table.append({"confidence": mean, "accuracy": accuracy, "rows": int(rows)})
            error += int(rows) * abs(accuracy - mean)
    return float(error / len(confidence)), table


def positive_classes(counts: Array) -> list[int]:
    """Choose the classes that average precision and recall are of.

    Of two classes one: the second, or the first where it has less than half the rows of the second.
    Of more all, each against the rest.  counts: training rows of each class [classes].
    """
    if len(counts) != 2:
        return list(range(len(counts)))
    return [0] if 2 * counts[0] < counts[1] else [1]


def classification_metrics(
    truth: Array, predicted: Array, probability: Array, positives: Sequence[int], precision: float
) -> Metrics:
    """Compute the metrics of scikit-learn that have these names.

    truth, predicted: class indices [rows]; probability: [rows, classes]; positives: see
    `positive_classes`; precision: what recall is asked for.
    """
    classes = np.arange(probability.shape[1])
    score = probability[:, 1] if len(classes) == 2 else probability
    roc_auc = None
    if len(np.unique(truth)) == len(classes):  # one-vs-rest needs rows of every class
        roc_auc = sk.roc_auc_score(truth, score, multi_class="ovr")
    return {
        "accuracy": sk.accuracy_score(truth, predicted),
        "balanced_accuracy": balanced_shares(truth, predicted).mean(),
        "f1_macro": sk.f1_score(truth, predicted, average="macro"),
        "log_loss": sk.log_loss(truth, probability, labels=classes),
        "roc_auc": roc_auc,
        "average_precision": finite(precision_shares(truth, probability, positives).mean()),
        "recall_at_precision": recall_at_precision(truth, probability, positives, precision),
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


def balanced_shares(truth: Array, predicted: Array) -> Array:
    """Compute what each row adds to balanced accuracy, which is the mean [rows].

    A row that is right counts as much as its class is rare: the mean recall of the classes.
    """
    counts = np.bincount(truth)
    weights = len(truth) / (np.count_nonzero(counts) * counts[truth])
    shares: Array = (truth == predicted) * weights
    return shares


def precision_shares(truth: Array, probability: Array, positives: Sequence[int]) -> Array:
    """Compute what each row adds to average precision, which is the mean [rows].

    Of several positive classes it is their mean, without those that have no rows; NaN if none has.
    """
    shares = [
        average_precision_shares(truth == i, probability[:, i])
        for i in positives
        if (truth == i).any()
    ]
    if not shares:
        return np.full(len(truth), np.nan)
    mean: Array = np.mean(shares, axis=0)
    return mean


def average_precision_shares(positive: Array, score: Array) -> Array:
    """Compute average precision plus each row's influence on it: the mean is the metric [rows].

    The influence is the derivative by the row's weight, so that the shares' standard error is the
    metric's (the infinitesimal jackknife: Efron 1982, The Jackknife, the Bootstrap and Other
    Resampling Plans, chapter 6).  positive: [rows] of bool; score: [rows], equal ones as one step.
    """
    order = np.argsort(-score, kind="stable")
    y, falling = positive[order].astype(np.float64), -score[order]
    first = np.searchsorted(falling, falling, side="left")  # of the rows with the same score
    rank = np.searchsorted(falling, falling, side="right")  # rows with this score or a higher one
    hits = np.cumsum(y)[rank - 1]  # positive ones of them
    precision = hits / rank
    metric = (y * precision).sum() / y.sum()
    # Sums over the positive rows with this score or a lower one, whose precision the row changes.
    gain = np.cumsum((y / rank)[::-1])[::-1][first]
    cost = np.cumsum((y * hits / rank**2)[::-1])[::-1][first]
    influence = (y * (precision - metric) + y * gain - cost) / y.sum()
    shares = np.empty(len(score))
    shares[order] = metric + len(score) * influence
    return shares


def recall_at_precision(
    truth: Array, probability: Array, positives: Sequence[int], least: float
) -> float | None:
    """Compute the highest recall of any threshold whose precision is at least so much.

    Of several positive classes it is their mean, without those that have no rows.
    """
    recalls = []
    for i in positives:
        if (truth == i).any():
            precision, recall, _ = sk.precision_recall_curve(truth == i, probability[:, i])
            recalls.append(recall[precision >= least].max())  # of no row at all it is 1
    return float(np.mean(recalls)) if recalls else None


def is_better(metric: str, value: float, other: float) -> bool:
    """Tell whether a value of the metric is better than another."""
    return value < other if metric in LOWER else value > other


def finite(value: float) -> float | None:
    """Replace NaN, which JSON has not, by none."""
    return None if np.isnan(value) else value


def rounded(metrics: Metrics) -> Metrics:
    """Round to six decimals: what is beyond differs between machines."""
    short: Metrics = {}
    for name, value in metrics.items():
        short[name] = None if value is None else round(float(value), 6)
    return short
