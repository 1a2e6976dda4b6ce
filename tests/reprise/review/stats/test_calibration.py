"""The calibration error as a judged metric: its value, its test, and what can't be judged."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from reprise.errors import PipelineError
from reprise.review.declared import PredictionsSpec
from reprise.review.stats.calibration import with_calibration
from reprise.review.stats.results import Comparison, MetricComparison
from reprise.review.stats.verdicts import compare_metrics
from src.scoring.metrics import expected_calibration_error


def declared(**more: Any) -> PredictionsSpec:
    given: dict[str, Any] = {
        "metrics": {"accuracy": {"column": "correct", "better": "higher"}},
        "target": "target",
        "prediction": "prediction",
        "calibration": {"confidence": "confidence"},
    }
    return PredictionsSpec.model_validate({**given, **more})


def model(rng: np.random.Generator, easy: np.ndarray, heat: float = 1.0) -> pa.Table:
    """A binary model whose logits are right at heat 1, and too sure above."""
    logit = easy + 0.3 * rng.normal(size=len(easy))
    target = rng.random(len(easy)) < 1 / (1 + np.exp(-easy))
    confidence = 1 / (1 + np.exp(-np.abs(heat * logit)))
    columns = {"id": np.arange(len(easy)), "target": target.astype(int)}
    prediction = (logit > 0).astype(int)
    correct = (prediction == target).astype(int)
    return pa.table(
        {**columns, "prediction": prediction, "confidence": confidence, "correct": correct}
    )


def compare(old: list[pa.Table], new: list[pa.Table], spec: PredictionsSpec) -> Comparison:
    tables, calibrated = with_calibration([*old, *new], spec)
    return compare_metrics(tables[: len(old)], tables[len(old) :], calibrated)


def alone(old: pa.Table, new: pa.Table, spec: PredictionsSpec | None = None) -> Comparison:
    return compare([old], [new], spec or declared())


def ece(comparison: Comparison) -> MetricComparison:
    (found,) = [metric for metric in comparison.metrics if metric.name == "ece"]
    return found


def sides(seed: int, rows: int, heat: float = 1.0) -> tuple[pa.Table, pa.Table]:
    rng = np.random.default_rng(seed)
    easy = 1.5 * rng.normal(size=rows)
    old, new = model(rng, easy), model(rng, easy, heat)
    return old, new.set_column(1, "target", old["target"])


def test_the_error_is_that_of_evaluate() -> None:
    old, new = sides(0, 2000, 2.5)
    found = ece(compare([old], [new], declared()))
    for table, value in ((old, found.old), (new, found.new)):
        right = (table["prediction"].to_numpy() == table["target"].to_numpy()).astype(int)
        expected, _ = expected_calibration_error(table["confidence"].to_numpy(), right, 10)
        assert value == pytest.approx(expected)


def test_a_model_that_is_too_sure_is_worse() -> None:
    found = ece(alone(*sides(0, 2000, 2.5)))
    assert found.verdict == "worse"
    assert found.low is not None
    assert found.low > 0
    assert "bootstrap" in found.method
    back = ece(alone(*reversed(sides(0, 2000, 2.5))))
    assert back.verdict == "better"


def test_one_calibration_moves_nothing_too_often() -> None:
    """Bins and signs are of the same rows: the test may be too careful, not too bold."""
    moved = 0
    for seed in range(100):
        found = ece(alone(*sides(seed, 400)))
        moved += found.verdict in ("better", "worse")
    assert moved <= 8


def test_several_seeds_are_judged_as_any_metric() -> None:
    old, new = zip(*(sides(seed, 1500, 2.5) for seed in (1, 1, 1)), strict=True)
    found = ece(compare(list(old), list(new), declared()))
    assert found.verdict == "worse"
    assert "training seeds" in found.method


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), None])
def test_what_is_no_probability_has_no_verdict(value: float | None) -> None:
    old, new = sides(0, 400)
    values = new["confidence"].to_pylist()
    values[3] = value
    new = new.set_column(3, "confidence", pa.array(values, pa.float64()))
    found = ece(compare([old], [new], declared()))
    assert found.verdict is None
    assert found.why == "its column is empty or not finite in 1 of 400 paired rows of new"


def test_confidences_of_text_are_named() -> None:
    old, new = sides(0, 400)
    new = new.set_column(3, "confidence", pa.array(["high"] * 400))
    with pytest.raises(PipelineError, match="column 'confidence': found string; expected numbers"):
        compare([old], [new], declared())


def test_a_side_without_confidences_has_no_verdict() -> None:
    old, new = sides(0, 400)
    found = ece(compare([old.drop_columns(["confidence"])], [new], declared()))
    assert (found.verdict, found.why) == (None, "old has no such column")


def test_a_metric_of_the_name_stands() -> None:
    own = {"ece": {"column": "correct", "better": "higher"}}
    comparison = alone(*sides(0, 400), spec=declared(metrics=own))
    assert [metric.better for metric in comparison.metrics] == ["higher"]
