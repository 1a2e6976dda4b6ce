"""Makes reports by hand: a common one, and the parts of others."""

from reprise.review.baselines import Baseline
from reprise.review.change_state import ChangeState
from reprise.review.changed_rows import ChangedRow, ChangedRows
from reprise.review.confusion import Confusion
from reprise.review.curves import Curve, CurveSet
from reprise.review.data.changes import DataChange
from reprise.review.data.column_types import ColumnKind
from reprise.review.data.columns import ColumnDiff, Histogram
from reprise.review.data.drift import DriftMeasure
from reprise.review.data.moved_ids import MovedIds
from reprise.review.data.table_diff import TableDiff
from reprise.review.model_sizes import ModelSize
from reprise.review.predictions import ComparedPredictions
from reprise.review.report import Commit, Report, RevisionLabel, StageChange, ValueChange
from reprise.review.stats.confused_classes import ConfusedClasses
from reprise.review.stats.parts import PartComparison, PartKind
from reprise.review.stats.results import Comparison, MetricComparison, Unpaired, Verdict


def metric(name: str = "accuracy", difference: float = 0.006, **other: object) -> MetricComparison:
    """No detectable difference, 0.9722 against 0.9778, unless told otherwise."""
    given: dict[str, object] = {
        "column": "correct",
        "better": "higher",
        "margin": None,
        "old": 0.9722,
        "new": 0.9722 + difference,
        "low": difference - 0.009,
        "high": difference + 0.008,
        "p_value": 0.21,
        "verdict": "no detectable difference",
        "why": None,
        "detectable": 0.011,
        "method": "McNemar's exact test",
        "unpaired": None,
        "proportion": True,
    }
    given |= other
    if given["verdict"] is not None:
        given["verdict"] = Verdict(str(given["verdict"]))
    return MetricComparison(name=name, difference=difference, **given)  # type: ignore[arg-type]


def comparison(*metrics: MetricComparison) -> Comparison:
    note = (
        "The intervals do not cover the noise of training: another seed would give another model."
    )
    return Comparison(360, 365, 355, 5, 10, 1, 1, [*metrics], note, None)


def column(
    name: str, *, flag: bool = True, categories: bool = False, drift: float = 0.31
) -> ColumnDiff:
    old, new = [4, 18, 40, 21, 5, 1], [1, 9, 33, 41, 22, 8]
    histogram = Histogram([0, 2.5, 5, 7.5, 10, 12.5, 15], None, old, new)
    if categories:
        histogram = Histogram(
            None, ["red", "green", "blue", "a colour with a long name", "grey", "other"], old, new
        )
    summary = ({"mean": 6.213, "sd": 2.1}, {"mean": 8.04, "sd": 2.6})
    return ColumnDiff(
        name, ColumnKind.NUMBER, 0, 3, *summary, histogram, drift, DriftMeasure.PSI, flag=flag
    )


def table(*columns: ColumnDiff) -> TableDiff:
    retyped = [("zip", "integer", "text")]
    return TableDiff(
        1437,
        1502,
        80,
        15,
        4,
        "id",
        ["age"],
        ["height"],
        retyped,
        [("yes", 700, 650)],
        0.004,
        [*columns],
    )


def commit(hash_: str) -> Commit:
    page = f"https://github.com/me/digits/commit/{hash_}"
    return Commit(hash_, "Ann Example", "2026-01-01", page)


def common() -> Report:
    """Everything that a report may have, once or twice."""
    means = {
        "old": 0.0913,
        "new": 0.0782,
        "unpaired": Unpaired(5, 10, 0.0921, 0.0803, -0.0118, -0.0211, -0.0025),
    }
    loss = metric(
        "log_loss",
        -0.0131,
        **means,
        better="lower",
        verdict="better",
        proportion=False,
        p_value=0.0004,
    )
    worse = metric("recall", -0.031, verdict="worse", margin=0.005, p_value=0.001)
    fixed = ChangedRow("a1f", "3", "8", "3", -2.7, 2.81, 0.11, 0.93, 0.9)
    broken = ChangedRow("b2e", "9", "9", "4", 1.5, 0.2, 1.7)
    rows = ChangedRows(7, 5, [fixed], [broken], "log_loss")
    confused = [
        ConfusedClasses("3", "8", 21.0, 4.0, 0.0004),
        ConfusedClasses("9", "4", 2.0, 3.0, 1.0),
    ]
    epochs = [float(n) for n in range(1, 31)]
    return Report(
        old=RevisionLabel("main", "0123456789abcdef", commit("0123456789abcdef")),
        new=RevisionLabel("the working tree", None, commit("fedcba9876543210")),
        compared=[
            ComparedPredictions(
                "data/evaluation/predictions.parquet",
                comparison(metric(), loss, worse),
                rows,
                [
                    PartComparison(PartKind.SLICE, "region = north", 120, worse),
                    PartComparison(PartKind.RECALL, "yes", 98, metric("recall")),
                ],
                confusion=Confusion(["no", "yes"], [[200, 12], [9, 134]], [[205, 7], [9, 134]]),
                confused=confused,
            )
        ],
        metrics=[
            ValueChange("metrics.json", "accuracy", ChangeState.CHANGED, 0.9722, 0.9778),
            ValueChange("metrics.json", "f1_macro", ChangeState.CHANGED, 0.97101, 0.97633),
            ValueChange("metrics.json", "ece", ChangeState.ADDED, None, float("nan")),
            ValueChange("metrics.json", "auc", ChangeState.CHANGED, float("nan"), float("nan")),
            ValueChange("metrics.json", "simple.line.auc", ChangeState.CHANGED, 0.51234, 0.52345),
        ],
        params=[
            ValueChange("params.yaml", "train.optimizer.lr", ChangeState.CHANGED, 0.1, 0.05),
            ValueChange("params.yaml", "train.model.hidden", ChangeState.CHANGED, [64], [128, 64]),
            ValueChange("other.yaml", "clip", ChangeState.ADDED, None, 1.0),
        ],
        stages=[
            StageChange(
                "train", ChangeState.CHANGED, ["train.optimizer.lr", "train.model.hidden"], 12.34
            ),
            StageChange("plot", ChangeState.ADDED, []),
        ],
        data=[
            DataChange(
                "data/raw",
                ChangeState.CHANGED,
                table(column("age"), column("colour", categories=True), column("id", flag=False)),
            ),
            DataChange("data/old.csv", ChangeState.REMOVED, None),
        ],
        moved=[MovedIds("train", "test", 3, ["a1f", "b2e", "c3d"], both=False, leakage=True)],
        curves=[
            Curve(
                "loss",
                "train_loss",
                "epoch",
                [(x, 1 / x) for x in epochs],
                [(x, 0.8 / x) for x in epochs],
            ),
            Curve(
                "loss",
                "val_loss",
                "epoch",
                [(x, 1.1 / x) for x in epochs[:20]],
                [(x, 0.9 / x) for x in epochs],
            ),
        ],
        notes=["the working tree: stage evaluate has not run since evaluate.bins changed"],
        baselines=[
            Baseline("accuracy", 0.9778, "simple.mean", 0.1017, beaten=True),
            Baseline("accuracy", 0.9778, "simple.line", 0.9781, beaten=False),
        ],
        curve_sets=[
            CurveSet(
                "ROC",
                "fpr",
                "tpr",
                ["first class", "second class"],
                [[(0.0, 0.0), (0.1, 0.8), (1.0, 1.0)], []],
                [[(0.0, 0.0), (0.1, 0.9), (1.0, 1.0)], [(0.0, 0.0), (0.2, 0.7), (1.0, 1.0)]],
                3,
            )
        ],
        project="me/digits",
        models=[ModelSize("data/model/model.safetensors", 407_040, 204_800)],
    )
