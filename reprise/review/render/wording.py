"""Write the sentences of a report, the same in Markdown and HTML: plain text, nothing escaped."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from reprise.review.change_state import ChangeState
from reprise.review.data.columns import ColumnDiff, ComparedRows
from reprise.review.data.moved_ids import MovedIds
from reprise.review.data.table_diff import TableDiff
from reprise.review.render.selection import classes_drifted, drifted_columns, moved_parts
from reprise.review.render.verdict_style import verdict_style
from reprise.review.report import Report, RevisionLabel, StageChange, ValueChange, values_equal
from reprise.review.staleness import Staleness
from reprise.review.stats.parts import PartComparison, PartKind
from reprise.review.stats.results import Comparison, MetricComparison, Superiority, Verdict
from reprise.shorten import shorten
from reprise.text.values import (
    NO_VALUE,
    arrow,
    is_number,
    number,
    number_pair,
    percent,
    percentage_points,
    signed,
    single_line,
)


class Headline(NamedTuple):
    """Holds the first line of a report. metric: as the user named it; worse: the other metrics."""

    metric: str
    result: str
    details: str
    worse: str = ""


def headline(report: Report) -> Headline:
    """Say what became of the primary metric, or else of the first metric that changed."""
    comparison = report.comparison
    if comparison is None:
        return _unpaired_headline(report)
    primary = comparison.primary
    result = f"{arrow(primary.old, primary.new)}: {_judgement(primary, comparison)}"
    details = ", ".join(_details(primary, comparison))
    name = primary.name
    if len(report.compared) > 1:
        name = f"{report.judged}: {name}"
    return Headline(name, result, details, _others_worse(report, primary))


def _others_worse(report: Report, primary: MetricComparison) -> str:
    """Count what is worse of the other metrics, of the classes and slices, and name the first."""
    others: dict[str, list[tuple[str, MetricComparison]]] = {"others": [], "classes and slices": []}
    for compared in report.compared:
        for metric in compared.comparison.metrics:
            if metric is not primary:
                others["others"].append((metric.name, metric))
        for part in compared.parts:
            others["classes and slices"].append((part_name(part), part.result))
    counts = []
    for title, results in others.items():
        worse = [single_line(name) for name, result in results if result.verdict is Verdict.WORSE]
        if worse:
            counts.append(f"{len(worse)} of {len(results)} {title} worse: {shorten(worse, 3)}")
    return "; ".join(counts)


def part_name(part: PartComparison) -> str:
    """Name a part of the test rows: "recall of 3", "region = north"."""
    if part.kind is PartKind.SLICE:
        return part.name
    return f"{part.kind} of {part.name}"


def part_result(part: PartComparison) -> MetricComparison:
    """Return what became of a part, as a proportion where it is one: a recall or a precision."""
    return replace(
        part.result, proportion=part.result.proportion or part.kind is not PartKind.SLICE
    )


def unmoved_parts_sentence(parts: Sequence[PartComparison]) -> str:
    """Say how many classes and slices do not differ; empty if all do."""
    unmoved = len(parts) - len(moved_parts(parts))
    if not unmoved:
        return ""
    return f"No difference beyond noise in {unmoved} of {len(parts)} classes and slices."


def _judgement(primary: MetricComparison, comparison: Comparison) -> str:
    """Say what is better or worse: the change, or with one training on a side this model alone."""
    label = verdict_style(primary.verdict).label
    if primary.verdict not in (Verdict.BETTER, Verdict.WORSE):
        return label
    if comparison.judges_change:
        return f"the change is {label}"
    return f"this model is {label} on these rows"


def _details(primary: MetricComparison, comparison: Comparison) -> list[str]:
    details = []
    if primary.why:
        details.append(primary.why)
    if primary.difference is not None and primary.verdict is not Verdict.SAME:
        details.append(difference_with_unit(primary))
        details.append(f"95 % CI {interval(primary)}")
    details.append(f"{comparison.paired} rows paired")
    if comparison.relabelled is not None:
        details.append(f"{comparison.relabelled.rows} with another label left out")
    if comparison.changed_features:
        features = f"{comparison.changed_features} with other features"
        if not comparison.evaluated:
            features += " left out"
        details.append(features)
    if primary.detectable is not None:
        smallest = difference(primary, primary.detectable, sign=False) + _unit(primary)
        details.append(f"smallest difference this test set could show: {smallest}")
    if primary.superiority is not None and comparison.judges_change:
        details.append(superiority_sentence(primary.superiority))
    if primary.verdict in (Verdict.BETTER, Verdict.WORSE) and not comparison.judges_change:
        details.append(_why_not_the_change(comparison))
    return details


def superiority_sentence(chance: Superiority) -> str:
    """Say how often a new training of the new recipe is better than one of the old."""
    interval_ = f"95 % CI {percent(chance.low)} to {percent(chance.high)}"
    return (
        "a new training of the new recipe is better than one of the old in "
        f"{percent(chance.probability)} of cases ({interval_})"
    )


def _why_not_the_change(comparison: Comparison) -> str:
    if comparison.same_recipe:
        return "the recipe is the same on both sides, so there is no change of it to judge"
    return "one training a side cannot say whether the change is: reprise report --replicates"


def _unpaired_headline(report: Report) -> Headline:
    """Say why nobody can tell noise from change: without results a row there is nothing to pair."""
    why = "no results a row on both sides, so noise and real change can't be told apart"
    if not report.metrics:
        return Headline("no metrics", "", why)
    for metric in report.metrics:
        if not values_equal(metric.old, metric.new):
            return Headline(metric.key, arrow(metric.old, metric.new), why)
    metric = report.metrics[0]
    return Headline(metric.key, arrow(metric.old, metric.new), f"no metric changed; {why}")


def stale_sentence(stale: Staleness) -> str:
    """Say in front of the first line that the working tree is not as recorded."""
    return f"The working tree is {stale.what}"


def unbeaten_sentences(report: Report, write: Callable[[str], str]) -> list[str]:
    """Say which baselines the primary metric does not beat. write: makes a name inert."""
    sentences = []
    for baseline in report.baselines:
        if not baseline.beaten:
            value, other = number_pair(baseline.value, baseline.baseline)
            subject = f"{write(baseline.metric)} {value}{_of_recorded(report)}"
            sentences.append(f"{subject} does not beat {write(baseline.name)} ({other})")
    return sentences


def beaten_sentence(report: Report, write: Callable[[str], str]) -> str:
    """List the baselines that the primary metric beats; empty without any."""
    subject = ""
    listed = []
    for baseline in report.baselines:
        if baseline.beaten:
            subject = f"{write(baseline.metric)}{_of_recorded(report)}"
            listed.append(f"{write(baseline.name)} {number(baseline.baseline)}")
    if not listed:
        return ""
    return f"{subject} beats {', '.join(listed)}: by value alone, not tested"


def _of_recorded(report: Report) -> str:
    """Say whose value stands beside the baselines, where the first line has a mean of several."""
    if report.comparison is None or report.comparison.seeds_new == 1:
        return ""
    return " of the recorded training"


def param_sides(change: ValueChange, write: Callable[[Any], str], none: str) -> tuple[str, str]:
    """Write a param's value on each side. none: stands where a side has no such param."""
    old, new = write(change.old), write(change.new)
    sides = {ChangeState.ADDED: (none, new), ChangeState.REMOVED: (old, none)}
    return sides.get(change.kind, (old, new))


def side_name(side: RevisionLabel) -> str:
    """Name a side as the user did, with its commit where the name does not tell it."""
    if side.commit is None:
        return side.name
    if side.commit.startswith(side.name):
        return side.name[:12]
    return f"{side.name} ({side.commit[:7]})"


def difference(metric: MetricComparison, value: float | None, *, sign: bool = True) -> str:
    """Format a difference of means: a proportion's in percentage points, others as they are."""
    if value is None:
        return NO_VALUE
    if metric.proportion:
        return percentage_points(value, sign=sign)
    if not sign:
        return f"{value:.3g}"
    return signed(value, 3)


def difference_with_unit(metric: MetricComparison) -> str:
    """Format the difference of the two sides, and "pp" where it is in percentage points."""
    if metric.difference is None:
        return NO_VALUE
    return difference(metric, metric.difference) + _unit(metric)


def _unit(metric: MetricComparison) -> str:
    if metric.proportion:
        return " pp"
    return ""


def interval(metric: MetricComparison) -> str:
    """Write the 95 % interval of a metric's difference, without its unit."""
    if metric.low is None:
        return NO_VALUE
    return f"{difference(metric, metric.low)} to {difference(metric, metric.high)}"


def p_value(metric: MetricComparison) -> str:
    """Format a metric's p-value in two significant digits."""
    if metric.p_value is None:
        return NO_VALUE
    return f"{metric.p_value:.2g}"


def paired_sentence(comparison: Comparison) -> str | None:
    """Say how many rows have a partner on the other side. None: all have."""
    if not comparison.only_old + comparison.only_new:
        return None
    return (
        f"{comparison.paired} rows are in both test sets and were paired; "
        f"{comparison.only_old} are in the old one only, {comparison.only_new} in the new one only."
    )


def row_sentences(comparison: Comparison) -> list[str]:
    """Say over which rows the comparison is, where not all rows are in it as they were recorded."""
    sentences = []
    if comparison.evaluated:
        sentences.append("The old model was evaluated on all test rows of the new side.")
    if comparison.changed_features:
        what = "are in no other figure"
        if comparison.evaluated:
            what = "both models saw the new ones"
        rows = f"{comparison.changed_features} rows have other features than before"
        sentences.append(f"{rows}, and {what}.")
    relabelled = comparison.relabelled
    if relabelled is not None:
        old = number(relabelled.old)
        if relabelled.old is None:
            old = "unknown"
        sentences.append(
            f"{relabelled.rows} rows have another label than before, and are in no other figure. "
            f"Against these labels, {relabelled.metric} is {old} for the old model, "
            f"and {number(relabelled.new)} for the new one."
        )
    return sentences


def metrics_title(report: Report) -> str:
    """Name the table of metrics files, and say where it is over other rows than the verdicts."""
    comparison = report.comparison
    if comparison is not None and comparison.has_other_rows:
        return "Metrics, each side's over all rows that it was tested on"
    return "Metrics"


def all_rows_sentence(comparison: Comparison) -> str:
    """Write each metric's means over all rows of a side, where these are not those of the pairs."""
    means = []
    for metric in comparison.metrics:
        means.append(f"{metric.name} {arrow(metric.old_all, metric.new_all)}")
    rows = f"{comparison.rows_old} old and {comparison.rows_new} new rows"
    return f"Over all {rows}, paired or not: {', '.join(means)}"


def unpaired_sentence(metric: MetricComparison) -> str | None:
    """Say how the rows without a partner differ; the metric's name goes before it.

    None: they are too few to judge.
    """
    rows = metric.unpaired
    if rows is None or rows.low is None:
        return None
    low, high = difference(metric, rows.low), difference(metric, rows.high)
    return f"is {arrow(rows.old, rows.new)} (95 % interval {low} to {high}{_unit(metric)})."


def value_difference(change: ValueChange) -> str:
    """Write new − old of a key of a metrics file. What is not a number has no difference."""
    if not all(map(is_number, (change.old, change.new))):
        return NO_VALUE
    if values_equal(change.old, change.new):
        return "same"
    return signed(change.new - change.old)


def param_name(change: ValueChange) -> str:
    """Name a param by its key, and by its file where that is not params.yaml."""
    if change.file == "params.yaml":
        return change.key
    return f"{change.file}: {change.key}"


def duration(stage: StageChange) -> str:
    """Write how long a stage ran, in seconds."""
    if stage.seconds is None:
        return NO_VALUE
    return f"{stage.seconds:.1f} s"


def row_counts(diff: TableDiff) -> str:
    """Write how many rows a table has, and had if that differs."""
    if diff.rows_old == diff.rows_new:
        return str(diff.rows_new)
    return f"{diff.rows_old} → {diff.rows_new}"


def moved_sentence(moved: MovedIds) -> str:
    """Say how many ids changed their split, and whether that leaks test rows into training."""
    warning = ""
    if moved.leakage:
        warning = "Leakage: "
    if moved.both:
        splits = f"are in {moved.old_split} and in {moved.new_split} at once"
    else:
        splits = f"moved from {moved.old_split} to {moved.new_split}"
    return f"{warning}{moved.rows} ids {splits}"


def drifted_name(column: ColumnDiff) -> str:
    """Name a column that drifted, and which rows of it did, unless all."""
    if column.scope is ComparedRows.ALL:
        return column.name
    return f"{column.name} ({column.scope})"


def drifted_names(diff: TableDiff) -> list[str]:
    """Name what of a table drifted: its classes first, then its columns."""
    names = []
    if classes_drifted(diff):
        names.append("classes")
    for column in drifted_columns(diff):
        names.append(drifted_name(column))
    return names


def column_changes(diff: TableDiff, write: Callable[[str], str]) -> list[str]:
    """List the columns that a table gained, lost, or has with another type."""
    changes = []
    for name in diff.columns_added:
        changes.append(f"+{write(name)}")
    for name in diff.columns_removed:
        changes.append(f"−{write(name)}")
    for name, old_type, new_type in diff.columns_retyped:
        changes.append(f"{write(name)} {write(old_type)} → {write(new_type)}")
    return changes


def classes_sentence(diff: TableDiff) -> str:
    """Say whether the classes have other shares than before."""
    assert diff.classes_p is not None
    return f"p = {diff.classes_p:.2g} for the classes having their old shares (χ²)."


def column_summary(values: dict[str, Any] | None) -> str:
    """Write the summary of a column on one side, such as "mean 6.21, sd 2.1"."""
    if values is None:
        return NO_VALUE
    parts = []
    for name, value in values.items():
        parts.append(f"{name} {number(value, 3)}")
    return ", ".join(parts)


def first_few(texts: Sequence[str], limit: int = 5) -> str:
    """List the first `limit` texts, and say how many more there are."""
    return shorten(texts, limit) or NO_VALUE
