"""Write the parts of a report as Markdown tables, a function a table."""

from collections.abc import Sequence

from reprise.review.data.changes import DataChange
from reprise.review.data.columns import ColumnDiff
from reprise.review.data.table_diff import TableDiff
from reprise.review.render import wording
from reprise.review.render.selection import (
    changed_columns,
    shown_metrics,
    shown_parts,
    sorted_metrics,
)
from reprise.review.render.verdict_style import verdict_style
from reprise.review.report import StageChange, ValueChange
from reprise.review.stats.parts import PartComparison
from reprise.review.stats.results import Comparison
from reprise.text.markdown import ROWS, escaped, sentence, table
from reprise.text.values import NO_VALUE, number, number_pair

PARTS = 10  # classes and slices in a table


def comparison_table(comparison: Comparison, limit: int = ROWS) -> str:
    """Write a comparison row by row: a line a metric, with its interval and verdict.

    Those that are worse are all there, whatever the limit.
    """
    header = ["metric", "old", "new", "difference", "95 % interval", "p (Holm)", "verdict"]
    rows = []
    for metric in sorted_metrics(comparison):
        verdict = f"**{verdict_style(metric.verdict).label}**"
        if metric.why:
            verdict += f": {sentence(metric.why)}"
        row = [
            escaped(metric.name),
            *number_pair(metric.old, metric.new),
            wording.difference_with_unit(metric),
            wording.interval(metric),
            wording.p_value(metric),
            verdict,
        ]
        rows.append(row)
    return table(header, rows, shown_metrics(comparison, limit))


def part_table(parts: Sequence[PartComparison], limit: int) -> str:
    """Write classes and slices, the worst first: all that are worse, and `limit` at least."""
    header = ["part", "rows", "old", "new", "difference", "95 % interval", "p (Holm)", "verdict"]
    rows = []
    for part in parts:
        result = wording.part_result(part)
        row = [
            escaped(wording.part_name(part)),
            str(part.rows),
            *number_pair(result.old, result.new),
            wording.difference_with_unit(result),
            wording.interval(result),
            wording.p_value(result),
            f"**{verdict_style(result.verdict).label}**",
        ]
        rows.append(row)
    return table(header, rows, shown_parts(parts, limit))


def metric_table(metrics: list[ValueChange], limit: int = ROWS) -> str:
    """Write the values of metrics files, old beside new."""
    rows = []
    for change in metrics:
        old, new = map(escaped, number_pair(change.old, change.new))
        rows.append([escaped(change.key), old, new, wording.value_difference(change)])
    return table(["metric", "old", "new", "difference"], rows, limit)


def param_table(params: list[ValueChange], limit: int = ROWS) -> str:
    """Write the params that changed, old beside new."""
    rows = []
    for change in params:
        old, new = wording.param_sides(change, escaped, "_none_")
        rows.append([escaped(wording.param_name(change)), old, new])
    return table(["key", "old", "new"], rows, limit)


def stage_table(stages: list[StageChange]) -> str:
    """Write which stages ran, why, and for how long."""
    rows = []
    for change in stages:
        why: str = change.kind
        if change.why:
            why = wording.first_few(list(map(escaped, change.why)), 3)
        rows.append([escaped(change.name), why, wording.duration(change)])
    return table(["stage", "why", "time"], rows)


def data_table(changes: list[DataChange]) -> str:
    """Write what differs between the tables of both sides, a line a table."""
    header = ["data", "rows", "added", "removed", "changed", "columns", "drift"]
    return table(header, map(_data_row, changes))


def _data_row(change: DataChange) -> list[str]:
    diff = change.diff
    if diff is None:
        return [escaped(change.path), escaped(change.note or change.kind), *[NO_VALUE] * 5]
    drifted = list(map(escaped, wording.drifted_names(diff)))
    return [
        escaped(change.path),
        wording.row_counts(diff),
        number(diff.added),
        number(diff.removed),
        _changed_cell(diff),
        wording.first_few(wording.column_changes(diff, escaped)),
        wording.first_few(drifted),
    ]


def _changed_cell(diff: TableDiff) -> str:
    """Write how many rows changed, and in which columns."""
    columns = [f"{escaped(column.name)} {column.changed}" for column in changed_columns(diff)]
    if not columns:
        return number(diff.changed)
    return f"{diff.changed}: {wording.first_few(columns, 3)}"


def class_table(diff: TableDiff) -> str:
    """Write how many rows each class has, old beside new, and whether chance explains it."""
    rows = [[escaped(value), str(old), str(new)] for value, old, new in diff.classes]
    if not rows:
        return ""
    classes = table(["class", "old rows", "new rows"], rows)
    return f"{classes}\n\n{wording.classes_sentence(diff)}"


def column_table(columns: list[ColumnDiff]) -> str:
    """Write how each column is distributed, old beside new."""
    header = ["column", "missing", "old", "new", "measure", "drift"]
    rows = []
    for column in columns:
        drift = number(column.drift, 3)
        if column.flag:
            drift += f" **drift** of {column.scope}"
        row = [
            escaped(column.name),
            f"{column.missing_old} → {column.missing_new}",
            sentence(wording.column_summary(column.summary_old)),
            sentence(wording.column_summary(column.summary_new)),
            escaped(column.measure or NO_VALUE),
            drift,
        ]
        rows.append(row)
    return table(header, rows, 100)
