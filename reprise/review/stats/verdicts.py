"""Decides whether a metric really moved: tables of predictions of two revisions in, verdicts out.

One rule holds test and interval together. The primary metric is *better* or *worse* when its
p-value is at most 5 %: it is named before anybody sees the rows, so that it pays for no other. The
other metrics are tested after it, at p-values that are Holm-adjusted over them: of changes of
nothing, at most 5 % move the primary metric, and at most 5 % any other. They are tested whatever
the primary one said, since a guard that is worse must be seen then too.

The interval shown is the metric's own 95 % interval, unadjusted; where the adjusted test does not
exclude zero, the interval is widened to reach it. So an interval excludes zero exactly when the
test does, and it covers the truth in at least as many cases as before: zero is judged by the
stricter test, every other value by the interval's (the step-wise intervals of Hsu and Berger 1999,
J. Amer. Statist. Assoc. 94, are made so).

A metric is *equivalent* when that interval lies inside ± its declared margin, also if it excludes
zero: the margin says which differences are too small to matter. That is two one-sided tests at
2.5 % (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15), stricter than the 90 % interval that is
common, so that the reader sees the interval that decided (two-sided 95 % is also what ICH E9,
section 3.3.2, sets for equivalence).

Where each paired row is the same on both sides, there is nothing to estimate: the metrics are said
to be of *the same predictions*, without an interval or a test.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from reprise.review.declared import Direction, MetricSpec, PredictionsSpec
from reprise.review.stats.estimate import (
    LEVEL,
    MIN_UNITS,
    Array,
    Estimate,
    is_zero_one,
    round_result,
)
from reprise.review.stats.holm import holm_adjusted
from reprise.review.stats.intervals import mean_difference
from reprise.review.stats.pairing import PairedPredictions, pair_rows
from reprise.review.stats.prediction_arrays import (
    PredictionArrays,
    load_arrays,
    mean_of_seeds,
)
from reprise.review.stats.proportions import proportion_difference
from reprise.review.stats.results import Comparison, MetricComparison, Superiority, Verdict
from reprise.review.stats.seeds import seeds_difference
from reprise.review.stats.superiority import probability_of_superiority
from reprise.review.stats.unpaired import compare_unpaired
from reprise.text.values import percent

MIN_PAIRED = 0.5  # share of either side's rows; with fewer the two test sets are not the same
# Relative. The float32 results of one model on two machines differ by more, but so do both sides'.
ROUNDING = 1e-9
SAME_ROWS = "Each paired row has the same predictions on both sides, so there is nothing to test"
ALL_ROWS = slice(None)


def compare_metrics(
    old: Sequence[pa.Table],
    new: Sequence[pa.Table],
    spec: PredictionsSpec,
    *,
    seed: int = 0,
    refused: str | None = None,
    left_out: int = 0,
    same: bool = False,
) -> Comparison:
    """Compare the metrics of two revisions over the rows that both have.

    old, new: a table for each training seed, at least one a side; seed: of the bootstrap; refused:
    why no metric may have a verdict, None if nothing speaks against it; left_out: rows that were
    taken out of the tables; same: each pair has the same predictions on both sides. Raises
    PipelineError for a missing column, a column of a wrong type, and an id that is empty or there
    twice.
    """
    assert old
    assert new
    old_arrays, new_arrays = load_arrays(old, new, spec)
    seeds = (len(old), len(new))
    return _compare_arrays(old_arrays, new_arrays, spec, seeds, seed, refused, left_out, same=same)


def compare_with_mean(
    old: Sequence[pa.Table], new: Sequence[pa.Table], spec: PredictionsSpec, *, seed: int = 0
) -> Comparison:
    """Compare the old model with the mean of several new ones, over the rows that all have.

    Each is taken as the model that it is: the interval is over rows alone. Luck with these rows is
    each model's own, so that it fades from the mean. old, new, seed: see `compare_metrics`.
    """
    old_arrays, new_arrays = load_arrays(old, new, spec)
    means = (mean_of_seeds(old_arrays), mean_of_seeds(new_arrays))
    return _compare_arrays(*means, spec, (len(old), len(new)), seed)


def _compare_arrays(
    old_arrays: PredictionArrays,
    new_arrays: PredictionArrays,
    spec: PredictionsSpec,
    seeds: tuple[int, int],
    seed: int,
    refused: str | None = None,
    left_out: int = 0,
    *,
    same: bool = False,
) -> Comparison:
    """Compare the metrics over the pairs of rows.

    seeds: the tables of either side; the others: see `compare_metrics`.
    """
    predictions = pair_rows(old_arrays, new_arrays)

    refused = refused or _why_refused(predictions)
    reasons = {}
    for name, metric in spec.metrics.items():
        reasons[name] = refused or _why_untested(predictions, metric, left_out, same=same)

    judged = [name for name, reason in reasons.items() if reason is None]
    tested = judged
    if same:
        tested = []
    estimates = {}
    primary = next(iter(spec.ordered_metrics))
    others = [name for name in tested if name != primary]
    tests = {primary: 1}
    for name in tested:
        column = spec.metrics[name].column
        estimates[name] = _estimate(predictions, column, tests.get(name, len(others)), seed)
    p_values = holm_adjusted([estimates[name].p for name in others])
    adjusted = dict(zip(others, p_values, strict=True))

    metrics = []
    for name, metric in spec.ordered_metrics.items():
        comparison = _describe(predictions, name, metric, reasons[name])
        if name in estimates:
            comparison = judge(comparison, estimates[name], adjusted.get(name, estimates[name].p))
            superiority = _superiority(predictions, metric)
            comparison = replace(comparison, superiority=superiority)
        elif name in judged:
            comparison = replace(comparison, verdict=Verdict.SAME, method="no test")
        metrics.append(comparison)

    dropped_rows = old_arrays.dropped_rows or new_arrays.dropped_rows
    return Comparison(
        rows_old=old_arrays.longest,
        rows_new=new_arrays.longest,
        paired=predictions.pairs,
        only_old=len(predictions.only_old),
        only_new=len(predictions.only_new),
        seeds_old=seeds[0],
        seeds_new=seeds[1],
        metrics=metrics,
        note=f"{SAME_ROWS}." if same else _note(*seeds, dropped_rows),
        refused=refused,
    )


def _why_refused(predictions: PairedPredictions) -> str | None:
    """Say why no metric has a verdict; None if the two sides have enough rows in common."""
    for name, side in (("old", predictions.old), ("new", predictions.new)):
        if predictions.pairs < MIN_PAIRED * side.longest:
            return (
                f"the test rows differ too much: {predictions.pairs:,} of the {side.longest:,} "
                f"rows of {name} are in every table of both sides; "
                f"at least {percent(MIN_PAIRED)} are needed"
            )
    return None


def _why_untested(
    predictions: PairedPredictions, metric: MetricSpec, left_out: int, *, same: bool
) -> str | None:
    """Say why this metric has no verdict; None if it has one. same: no test is needed for it."""
    column = metric.column
    unpaired = len(predictions.only_old) + len(predictions.only_new) + left_out
    if metric.same_rows and unpaired:
        return (
            f"a row's value depends on the other rows, and {unpaired:,} rows are not in both; "
            "the means are over all rows of a side"
        )
    old_reason = _why_unusable("old", predictions.old, column, predictions.old_rows)
    if old_reason is not None:
        return old_reason
    new_reason = _why_unusable("new", predictions.new, column, predictions.new_rows)
    if new_reason is not None:
        return new_reason
    if predictions.units < MIN_UNITS and not same:
        units = "groups"
        if predictions.group is None:
            units = "rows"
        return f"{predictions.units} {units} are paired; at least {MIN_UNITS} are needed"
    return None


def _why_unusable(name: str, side: PredictionArrays, column: str, rows: Array) -> str | None:
    """Say why the side's values of these rows cannot be compared; None if they can."""
    if column not in side.values:
        return f"{name} has no such column"
    not_finite = ~np.isfinite(side.values[column][:, rows])
    bad_rows = int(not_finite.any(axis=0).sum())
    if bad_rows:
        return (
            f"its column is empty or not finite in {bad_rows:,} "
            f"of {len(rows):,} paired rows of {name}"
        )
    return None


def _estimate(predictions: PairedPredictions, column: str, tests: int, seed: int) -> Estimate:
    values = predictions.values(column)
    assert values is not None
    return estimate_difference(*values, predictions.group, tests, seed)


def estimate_difference(
    old: Array, new: Array, group: Array | None, tests: int | None, seed: int = 0
) -> Estimate:
    """Estimate new − old by the method that fits seeds and values.

    old, new: [seeds, rows], finite; group: [rows]; tests: the metrics that are tested, None to
    leave out what could be detected; seed: of the bootstrap.
    """
    if max(len(old), len(new)) > 1:
        return seeds_difference(old, new, group, tests)
    if group is None and is_zero_one(old) and is_zero_one(new):
        gained = int((new > old).sum())
        lost = int((new < old).sum())
        return proportion_difference(gained, lost, old.shape[1], tests)
    return mean_difference(_differences(old[0], new[0]), group, tests, seed)


def _superiority(predictions: PairedPredictions, metric: MetricSpec) -> Superiority | None:
    """Compare each training of one side with each of the other, by their means over the pairs."""
    values = predictions.values(metric.column)
    assert values is not None
    old, new = (side.mean(axis=1) for side in values)
    higher = metric.better is Direction.HIGHER
    return probability_of_superiority(old, new, higher=higher)


def _differences(old: Array, new: Array) -> Array:
    """Return new − old, [rows]; 0 where it is no more than another order of summing would make."""
    differences = new - old
    magnitudes = np.maximum(np.abs(old), np.abs(new))
    return np.where(np.abs(differences) <= ROUNDING * magnitudes, 0.0, differences)


def _describe(
    predictions: PairedPredictions, name: str, metric: MetricSpec, reason: str | None
) -> MetricComparison:
    """Return the metric's means and their difference, without a verdict.

    reason: why there is none; None if `judge` will add one.
    """
    old_values = predictions.old.values.get(metric.column)
    new_values = predictions.new.values.get(metric.column)
    present = [values for values in (old_values, new_values) if values is not None]
    old_rows: Array | slice = ALL_ROWS
    new_rows: Array | slice = ALL_ROWS
    unpaired = None
    if not metric.same_rows:
        old_rows, new_rows = predictions.old_rows, predictions.new_rows
        unpaired = compare_unpaired(predictions, metric.column)
    return MetricComparison(
        name=name,
        column=metric.column,
        better=metric.better,
        margin=metric.margin,
        proportion=bool(present) and all(map(is_zero_one, present)),
        old=_mean(old_values, old_rows),
        new=_mean(new_values, new_rows),
        difference=_paired_difference(predictions, metric.column),
        low=None,
        high=None,
        p_value=None,
        verdict=None,
        why=reason,
        detectable=None,
        method="none",
        unpaired=unpaired,
        old_all=_mean(old_values, ALL_ROWS),
        new_all=_mean(new_values, ALL_ROWS),
    )


def judge(comparison: MetricComparison, estimate: Estimate, p: float) -> MetricComparison:
    """Add the estimate and the verdict. p: adjusted."""
    low, high = estimate.low, estimate.high
    if p > LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    assert p > LEVEL or low > 0 or high < 0, estimate
    detectable = None
    if estimate.detectable is not None:
        detectable = round_result(estimate.detectable)
    return replace(
        comparison,
        difference=round_result(estimate.difference),
        low=round_result(low),
        high=round_result(high),
        p_value=round_result(p),
        verdict=_verdict(comparison, estimate.difference, low, high, p),
        detectable=detectable,
        method=estimate.method,
    )


def _verdict(
    metric: MetricComparison, difference: float, low: float, high: float, p: float
) -> Verdict:
    """Return the verdict by the rule at the top of this file."""
    margin = metric.margin
    if margin is not None and -margin < low <= high < margin:
        return Verdict.EQUIVALENT
    if p > LEVEL:
        return Verdict.NO_DIFFERENCE
    is_higher = difference > 0
    is_better = is_higher == (metric.better is Direction.HIGHER)
    if is_better:
        return Verdict.BETTER
    return Verdict.WORSE


def _mean(values: Array | None, rows: Array | slice) -> float | None:
    """Return the mean of these rows; None where a value is missing, or there is none.

    values: [seeds, rows].
    """
    if values is None:
        return None
    chosen = values[:, rows]
    if not chosen.size or not np.isfinite(chosen).all():
        return None
    return round_result(chosen.mean())


def _paired_difference(predictions: PairedPredictions, column: str) -> float | None:
    """Return new − old of the means over the pairs; None where a value is missing."""
    values = predictions.values(column)
    if values is None or not predictions.pairs:
        return None
    if not np.isfinite(np.concatenate(values)).all():
        return None
    old, new = values
    return round_result(new.mean() - old.mean())


def _note(old_seeds: int, new_seeds: int, dropped_rows: bool) -> str:
    """Say what the intervals cover of the variation between training seeds."""
    if max(old_seeds, new_seeds) == 1:
        return (
            "One training run a side: how much training again, with another seed, would change "
            "is not in the intervals."
        )
    note = f"{old_seeds} and {new_seeds} training seeds: how much they differ is in the intervals."
    if 1 in (old_seeds, new_seeds):
        note += " The side with one seed is taken to vary as the other does."
    if dropped_rows:
        note += " Rows that not every seed of a side has are left out."
    return note
