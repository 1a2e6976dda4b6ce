"""Whether a challenger is promoted: by the comparison of `reprise report`, on rows that both models were tested on."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reprise.errors import PipelineError
from reprise.review.report import Report
from reprise.review.stats.results import MetricComparison, Verdict

When = Literal["better", "not-worse"]


class Gate(BaseModel):
    """metric: the primary one if None; min_effect: the least difference worth a promotion, in the metric's unit;
    when: `better` beyond noise, or `not-worse`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str | None = None
    min_effect: float = Field(0.0, ge=0, allow_inf_nan=False)
    when: When = "better"


class Decision(BaseModel):
    """What became of a retraining, as it stands in the machine-readable file. skipped: another run was at work."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["unchanged", "kept", "promoted", "skipped"]
    reason: str
    base: str
    metric: str | None = None
    old: float | None = None
    new: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    verdict: str | None = None
    branch: str | None = None
    commit: str | None = None
    pushed: bool = False
    pull_request: str | None = None


def decide(report: Report, gate: Gate, base: str) -> Decision:
    """promoted or kept. Without a verdict the champion stays.

    Raises PipelineError when the metric is not among those that dvc.yaml declares.
    """
    metric = _metric(report, gate)
    if metric is None:
        return Decision(outcome="kept", reason=_without(report), base=base)
    promote, reason = _judged(metric, gate)
    return Decision(
        outcome="promoted" if promote else "kept",
        reason=reason,
        base=base,
        metric=metric.name,
        old=metric.old,
        new=metric.new,
        difference=metric.difference,
        low=metric.low,
        high=metric.high,
        p_value=metric.p_value,
        verdict=metric.verdict,
    )


def _metric(report: Report, gate: Gate) -> MetricComparison | None:
    if gate.metric is None or not report.compared:
        return report.primary
    found = {
        m.name: m for compared in reversed(report.compared) for m in compared.comparison.metrics
    }
    if gate.metric not in found:
        raise PipelineError(f"--metric: found {gate.metric!r}; expected one of {', '.join(found)}")
    return found[gate.metric]


def _without(report: Report) -> str:
    return "no results a row to compare" + (f": {report.notes[0]}" if report.notes else "")


def _judged(metric: MetricComparison, gate: Gate) -> tuple[bool, str]:
    if metric.verdict is None:
        return False, f"{metric.name}: no verdict: {metric.why}"
    if metric.verdict is Verdict.WORSE:
        return False, f"{metric.name} is worse"
    if gate.when == "not-worse":
        return True, f"{metric.name}: {metric.verdict}; promoted when not worse"
    if metric.verdict is not Verdict.BETTER:
        return False, f"{metric.name}: {metric.verdict}"
    assert metric.difference is not None
    if abs(metric.difference) < gate.min_effect:
        return (
            False,
            f"{metric.name} is better by {abs(metric.difference):g}, less than {gate.min_effect:g}",
        )
    return True, f"{metric.name} is better"
