"""A report as GitHub-flavoured Markdown: the answer first, details folded, whatever data says inert."""

from collections.abc import Iterator, Sequence

from reprise.review.data.changes import DataChange
from reprise.review.data.columns import ColumnDiff
from reprise.review.data.table_diff import TableDiff
from reprise.review.predictions import Compared, Row
from reprise.review.render.markdown_text import ROWS, folded, table, text
from reprise.review.render.mermaid import mermaid
from reprise.review.render.verdict_style import verdict_style
from reprise.review.render.wording import (
    NONE,
    changed,
    difference,
    headline,
    interval,
    is_compared,
    moved_sentence,
    number,
    paired,
    side,
    summary,
    two,
    unpaired,
)
from reprise.review.report import Report, StageChange, ValueChange
from reprise.review.stats.results import MetricComparison

MARKER = "<!-- reprise report -->"  # by which a workflow finds the comment that it updates
LIMIT = 60_000  # characters; GitHub takes 65,536 in a comment
CURVES = 4


def markdown(report: Report) -> str:
    """The text ends with a newline. What is folded goes where it would pass LIMIT."""
    shown = "\n\n".join(_sections(report))
    everything = folded("Full difference", "\n\n".join(_everything(report)))
    whole = f"{shown}\n\n{everything}\n"
    return (
        whole
        if len(whole) <= LIMIT
        else f"{shown[:LIMIT]}\n\n_The full difference is too long for a comment._\n"
    )


def _sections(report: Report) -> Iterator[str]:
    name, said, details = headline(report)
    yield f"{MARKER}\n**{' '.join(filter(None, (text(name), said)))}** ({details})"
    yield f"{text(side(report.new))} against {text(side(report.old))}"
    for compared in report.compared:
        yield from _compared(compared, titled=len(report.compared) > 1)
    others = [m for m in report.metrics if not is_compared(report, m)]
    if others:
        yield "### Metrics\n\n" + table(
            ["metric", "old", "new", "difference"], map(_metric, others)
        )
    if report.params:
        yield "### Params\n\n" + table(["key", "old", "new"], map(_param, report.params))
    if report.stages:
        yield "### Stages that ran\n\n" + table(
            ["stage", "why", "time"], map(_stage, report.stages)
        )
    if report.data or report.moved:
        yield "### Data\n\n" + "\n\n".join(_data(report))
    yield from filter(None, map(_rows, report.compared))
    if report.curves:
        yield "### Curves\n\n" + "\n\n".join(mermaid(c, report) for c in report.curves[:CURVES])
    if report.notes:
        yield "### Notes\n\n" + "\n".join(f"- {text(note, 300)}" for note in report.notes)


def _compared(compared: Compared, *, titled: bool) -> Iterator[str]:
    comparison = compared.comparison
    if titled:
        yield f"### {text(compared.name)}"
    head = ["metric", "old", "new", "difference", "95 % interval", "p (Holm)", "verdict"]
    yield table(head, map(_verdict, comparison.metrics))
    yield comparison.note
    if said := paired(comparison):
        yield said
    for metric in comparison.metrics:
        if said := unpaired(metric):
            yield f"Of rows that did not pair, {text(metric.name)} {said}"


def _verdict(metric: MetricComparison) -> list[str]:
    said = f"**{verdict_style(metric.verdict).label}**" + (f": {metric.why}" if metric.why else "")
    p = NONE if metric.p_value is None else f"{metric.p_value:.2g}"
    unit = " pp" if metric.proportion and metric.difference is not None else ""
    apart = f"{difference(metric, metric.difference)}{unit}"
    return [text(metric.name), *two(metric.old, metric.new), apart, interval(metric), p, said]


def _metric(change: ValueChange) -> list[str]:
    old, new = two(change.old, change.new)
    return [text(change.key), text(old), text(new), changed(change)]


def _param(change: ValueChange) -> list[str]:
    key = change.key if change.file == "params.yaml" else f"{change.file}: {change.key}"
    old = "_none_" if change.kind == "added" else text(change.old)
    return [text(key), old, "_none_" if change.kind == "removed" else text(change.new)]


def _stage(change: StageChange) -> list[str]:
    why = ", ".join(map(text, change.why[:3])) + (
        f" and {len(change.why) - 3} more" if len(change.why) > 3 else ""
    )
    return [
        text(change.name),
        why or change.kind,
        NONE if change.seconds is None else f"{change.seconds:.1f} s",
    ]


def _data(report: Report) -> Iterator[str]:
    for moved in report.moved:
        yield f"**{moved_sentence(moved)}**: {_few([*map(text, moved.examples)])}"
    if report.data:
        yield table(
            ["data", "rows", "added", "removed", "changed", "columns", "drift"],
            map(_data_row, report.data),
        )


def _data_row(change: DataChange) -> list[str]:
    diff = change.diff
    if diff is None:
        return [text(change.path), text(change.note or change.kind), *[NONE] * 5]
    rows = (
        number(diff.rows_new)
        if diff.rows_old == diff.rows_new
        else f"{diff.rows_old} → {diff.rows_new}"
    )
    counts = [NONE if n is None else number(n) for n in (diff.added, diff.removed, diff.changed)]
    columns = [f"+{text(c)}" for c in diff.columns_added] + [
        f"−{text(c)}" for c in diff.columns_removed
    ]
    columns += [f"{text(c)} {text(old)} → {text(new)}" for c, old, new in diff.columns_retyped]
    drift = [text(c.name) for c in diff.columns if c.flag]
    return [text(change.path), rows, *counts, _few(columns), _few(drift)]


def _few(words: Sequence[str]) -> str:
    return (
        ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
    ) or NONE


def _rows(compared: Compared) -> str:
    rows = compared.rows
    if rows is None or not rows.fixed + rows.broken:
        return ""
    head = ["", "id", "truth", "old", "new"]
    listed = [
        *(_row("fixed", r) for r in rows.top_fixed),
        *(_row("broken", r) for r in rows.top_broken),
    ]
    title = f"### Rows: {rows.fixed} fixed, {rows.broken} broken"
    return f"{title}\n\n" + folded("Those that changed most", table(head, listed))


def _row(kind: str, row: Row) -> list[str]:
    return [kind, text(row.id), text(row.target), text(row.old), text(row.new)]


def _everything(report: Report) -> Iterator[str]:
    """What the sections above cut short or leave out."""
    if len(report.metrics) > ROWS or report.compared:
        yield "#### Metrics\n\n" + table(
            ["metric", "old", "new", "difference"], map(_metric, report.metrics), 500
        )
    if len(report.params) > ROWS:
        yield "#### Params\n\n" + table(["key", "old", "new"], map(_param, report.params), 500)
    for change in report.data:
        if change.diff is not None:
            yield f"#### {text(change.path)}\n\n" + _columns(change.diff)
    for metric in (m for c in report.compared for m in c.comparison.metrics):
        yield f"{text(metric.name)}: {metric.method}"


def _columns(diff: TableDiff) -> str:
    parts = []
    if diff.classes:
        parts.append(
            table(
                ["class", "old rows", "new rows"],
                ([text(v), str(a), str(b)] for v, a, b in diff.classes),
            )
        )
    head = ["column", "missing", "old", "new", "measure", "drift"]
    parts.append(table(head, map(_column, diff.columns), 100))
    return "\n\n".join(parts)


def _column(column: ColumnDiff) -> list[str]:
    missing = f"{column.missing_old} → {column.missing_new}"
    drift = f"{number(column.drift, 3)}{' **drift**' if column.flag else ''}"
    return [
        text(column.name),
        missing,
        summary(column.summary_old),
        summary(column.summary_new),
        column.measure or NONE,
        drift,
    ]
