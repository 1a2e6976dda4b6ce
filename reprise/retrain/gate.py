"""Decides on a challenger by the comparison of `reprise report`, on rows that both models saw."""

from pydantic import BaseModel, ConfigDict, Field

from reprise.errors import PipelineError
from reprise.retrain.choices import PromoteWhen
from reprise.retrain.decision import Decision, Outcome
from reprise.review.report import Report
from reprise.review.stats.results import MetricComparison, Verdict


class Gate(BaseModel):
    """Says what a challenger must reach.

    metric: the primary one if None; min_effect: the least difference worth a promotion, in the
    metric's unit; when: which verdicts promote.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str | None = None
    min_effect: float = Field(0.0, ge=0, allow_inf_nan=False)
    when: PromoteWhen = PromoteWhen.BETTER


def decide(report: Report, gate: Gate, base: str) -> Decision:
    """Decide whether the challenger is promoted. Without a verdict the champion is kept.

    base: the champion's commit. Raises PipelineError when dvc.yaml does not declare the gate's
    metric.
    """
    metric = _metric(report, gate)
    if metric is None:
        reason = "no results a row to compare"
        if report.notes:
            reason = f"{reason}: {report.notes[0]}"
        return Decision(outcome=Outcome.KEPT, reason=reason, base=base)
    outcome, reason = _judge(metric, gate)
    return Decision(
        outcome=outcome,
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
    """Find the gate's metric, or the primary one where the gate names none.

    Returns None where the report compares nothing.
    """
    if gate.metric is None or not report.compared:
        return report.primary
    metrics = {}
    for compared in reversed(report.compared):  # of two with one name, the first stands
        for metric in compared.comparison.metrics:
            metrics[metric.name] = metric
    if gate.metric not in metrics:
        expected = ", ".join(metrics)
        raise PipelineError(f"--metric: found {gate.metric!r}; expected one of {expected}")
    return metrics[gate.metric]


def _judge(metric: MetricComparison, gate: Gate) -> tuple[Outcome, str]:
    """Weigh one metric. Return the outcome and its reason."""
    name = metric.name
    verdict = metric.verdict
    if verdict is None:
        return Outcome.KEPT, f"{name}: no verdict: {metric.why}"
    if verdict is Verdict.WORSE:
        return Outcome.KEPT, f"{name} is worse"
    if gate.when is PromoteWhen.NOT_WORSE:
        return Outcome.PROMOTED, f"{name}: {verdict}; promoted when not worse"
    if verdict is not Verdict.BETTER:
        return Outcome.KEPT, f"{name}: {verdict}"
    assert metric.difference is not None
    effect = abs(metric.difference)
    if effect < gate.min_effect:
        return Outcome.KEPT, f"{name} is better by {effect:g}, less than {gate.min_effect:g}"
    return Outcome.PROMOTED, f"{name} is better"
