"""Decides on a challenger by the comparison of `reprise report`, on rows that both models saw."""

from collections.abc import Sequence

from reprise.errors import PipelineError
from reprise.retrain.anchor import KEY
from reprise.retrain.choices import PromoteWhen
from reprise.retrain.decision import Decision, Outcome
from reprise.retrain.options import Gate
from reprise.review.declared import Direction
from reprise.review.predictions import ComparedPredictions, OlderModel
from reprise.review.report import Report
from reprise.review.stats.results import Comparison, MetricComparison, Verdict
from reprise.text.values import number

WIDTH = 2 * 1.959964  # standard errors of a 95 % interval


def decide(report: Report, gate: Gate, base: str) -> Decision:
    """Decide whether the challenger is promoted.

    base: the champion's commit. Raises PipelineError when dvc.yaml does not declare the gate's
    metric, or a champion, this one or one of before, has no results on the challenger's rows.
    """
    compared, metric = _metric(report, gate)
    together = _same_metric(compared.together, metric)
    outcome, reason = _judge(metric, gate)
    if outcome is Outcome.PROMOTED and compared.together is not None:
        outcome, reason = _judge_together(compared, metric)
    decision = Decision(
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
        expected=_expected(together or metric),
    )
    if compared.together is not None and together is not None:
        nights = _count_nights(compared)
        decision = decision.updated(nights=nights, together=together.difference)
    if gate.when is PromoteWhen.NOT_WORSE and outcome is Outcome.PROMOTED:
        return _hold_against_best(decision, gate, metric, compared.older)
    return decision


def _metric(report: Report, gate: Gate) -> tuple[ComparedPredictions, MetricComparison]:
    """Find the gate's metric, or the primary one where the gate names none, and its table.

    Raises PipelineError for another metric, and where the report could not compare it.
    """
    by_name = {}
    for compared in reversed(report.compared):  # of two with one name, the first stands
        for metric in compared.comparison.metrics:
            by_name[metric.name] = (compared, metric)
    name = gate.metric
    if name is None:
        name = ""
        if report.primary is not None:
            name = report.primary.name
    elif by_name and name not in by_name:
        expected = ", ".join(by_name)
        raise PipelineError(f"--metric: found {name!r}; expected one of {expected}")
    if name in by_name:
        return by_name[name]
    reason = "dvc.yaml declares no predictions"
    if report.notes:
        reason = report.notes[0]
    raise PipelineError(f"the champion cannot be compared with the challenger: {reason}")


def _same_metric(
    comparison: Comparison | None, metric: MetricComparison
) -> MetricComparison | None:
    """Return the metric in the other comparison; None without one."""
    if comparison is None:
        return None
    for other in comparison.metrics:
        if other.name == metric.name:
            return other
    raise AssertionError(f"{metric.name}: compared alone, but not together")


def _count_nights(compared: ComparedPredictions) -> int:
    """Count the challengers that were compared together; a model may be of several seeds."""
    assert compared.together is not None
    return compared.together.seeds_new // compared.comparison.seeds_new


def _judge_together(compared: ComparedPredictions, metric: MetricComparison) -> tuple[Outcome, str]:
    """Weigh the nights together, once tonight's challenger is better."""
    together = _same_metric(compared.together, metric)
    assert together is not None
    nights = f"over {_count_nights(compared)} nights together"
    if together.verdict is not Verdict.BETTER:
        found = together.verdict or f"no verdict: {together.why}"
        return Outcome.KEPT, f"{metric.name} is better tonight, but not {nights}: {found}"
    return Outcome.PROMOTED, f"{_gain(metric, together)}, {nights} too"


def _judge(metric: MetricComparison, gate: Gate) -> tuple[Outcome, str]:
    """Weigh one metric. Return the outcome and why."""
    name = metric.name
    if metric.verdict is None:
        raise PipelineError(
            f"the champion cannot be compared with the challenger: {name}: {metric.why}"
        )
    if gate.when is PromoteWhen.NOT_WORSE:
        return _judge_margin(metric, gate)
    if metric.verdict is Verdict.WORSE:
        return Outcome.KEPT, f"{name} is worse"
    if metric.verdict is not Verdict.BETTER:
        return Outcome.KEPT, f"{name}: {metric.verdict}"
    least = _gain_at_least(metric)
    if least < gate.min_effect:
        reason = f"{name} is better by at least {number(least)}, less than {gate.min_effect:g}"
        return Outcome.KEPT, reason
    return Outcome.PROMOTED, _gain(metric, metric)


def _judge_margin(metric: MetricComparison, gate: Gate) -> tuple[Outcome, str]:
    """Promote what is worse by less than the margin, beyond noise (non-inferiority)."""
    margin = gate.margin or metric.margin
    if margin is None:
        raise PipelineError(
            f"--promote-when not-worse: {metric.name}: found no margin; expected --margin X, or "
            "its margin in dvc.yaml: how much worse is not worse"
        )
    if metric.verdict is Verdict.SAME:
        return Outcome.PROMOTED, f"{metric.name}: {metric.verdict}"
    loss = -_gain_at_least(metric)
    if loss >= margin:
        reason = f"{metric.name} may be worse by {number(loss)}; the margin is {margin:g}"
        return Outcome.KEPT, reason
    if loss <= 0:
        return Outcome.PROMOTED, _gain(metric, metric)
    reason = f"{metric.name} is worse by {number(loss)} at most; the margin is {margin:g}"
    return Outcome.PROMOTED, reason


def _hold_against_best(
    decision: Decision, gate: Gate, metric: MetricComparison, older: Sequence[OlderModel]
) -> Decision:
    """Promote only what is not worse than the best champion so far either.

    Each champion may be worse than the one before by less than the margin: in time they would sink
    without end. metric: beside the champion; older: champions of before. The best is the one with
    the best mean on the challenger's rows.
    """
    best, held = decision.base, metric
    for model in older:
        other = _older_metric(model, metric)
        if _is_better(other, held):
            best, held = model.commit, other
    outcome, reason = _judge_margin(held, gate)
    if outcome is Outcome.KEPT:
        reason = f"beside {best[:12]}, the best champion so far: {reason}"
        return decision.updated(outcome=outcome, reason=reason)
    if held.verdict is Verdict.BETTER:
        return decision  # the new best
    return decision.updated(anchor=best)


def _older_metric(model: OlderModel, metric: MetricComparison) -> MetricComparison:
    """Return the metric beside a champion of before. Raises PipelineError where there is none."""
    other = _same_metric(model.comparison, metric)
    if other is not None and other.verdict is not None:
        return other
    why = model.why
    if other is not None:
        why = f"{other.name}: {other.why}"
    raise PipelineError(
        f"{model.commit[:12]}, a champion of before, cannot be compared with the challenger: "
        f"{why}; a commit with the trailer `{KEY}: COMMIT` says from which champion on to compare"
    )


def _is_better(other: MetricComparison, held: MetricComparison) -> bool:
    """Tell whether the old side of one comparison has the better mean."""
    assert other.old is not None
    assert held.old is not None
    if held.better is Direction.HIGHER:
        return other.old > held.old
    return other.old < held.old


def _gain_at_least(metric: MetricComparison) -> float:
    """Return the least gain that the interval holds: below 0, the greatest loss."""
    assert metric.low is not None
    assert metric.high is not None
    if metric.better is Direction.HIGHER:
        return metric.low
    return -metric.high


def _gain(metric: MetricComparison, judged: MetricComparison) -> str:
    """Say what was found tonight, and what is to be expected. judged: where luck is least."""
    found, expected = metric.difference, _expected(judged)
    return f"{metric.name} is better: found {number(found)}, expected {number(expected)}"


def _expected(metric: MetricComparison) -> float | None:
    """Shrink the difference towards 0, as it was chosen for being large; None without an interval.

    By 1 − (standard error / difference)²: the posterior mean under a normal prior around 0 whose
    variance is estimated from this difference alone (Efron and Morris 1973, J. Amer. Statist.
    Assoc. 68; of estimates that passed a test: van Zwet and Cator 2021, Statistica Neerlandica 75).
    """
    if metric.difference is None or metric.low is None or metric.high is None:
        return None
    if not metric.difference:
        return 0.0
    error = (metric.high - metric.low) / WIDTH
    shrunken = metric.difference * max(0.0, 1 - (error / metric.difference) ** 2)
    return float(f"{shrunken:.6g}")
