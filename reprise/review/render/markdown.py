"""Write a report as GitHub-flavoured Markdown: the answer first, details folded."""

from collections.abc import Iterator

from reprise.review.render import markdown_tables as tables
from reprise.review.render import wording
from reprise.review.render.markdown_text import ROWS, escaped, folded
from reprise.review.render.mermaid import mermaid
from reprise.review.render.selection import changed_rows, other_metrics
from reprise.review.report import Report, RevisionLabel
from reprise.review.stats.results import Comparison

MARKER = "<!-- reprise report -->"  # by which a workflow finds the comment that it updates
LIMIT = 60_000  # characters; GitHub takes 65,536 in a comment
CURVES = 4
FOLDED_ROWS = 500  # of a table inside the folded part


def markdown(report: Report) -> str:
    """Write the report, ending with a newline.

    The folded part is left out where the text would pass LIMIT. Whatever data says is inert.
    """
    shown = "\n\n".join(_sections(report))
    details = folded("Full difference", "\n\n".join(_details(report)))
    whole = f"{shown}\n\n{details}\n"
    if len(whole) <= LIMIT:
        return whole
    return f"{shown[:LIMIT]}\n\n_The full difference is too long for a comment._\n"


def _sections(report: Report) -> Iterator[str]:
    yield _headline(report)
    yield f"{_side(report.new)} against {_side(report.old)}"
    for compared in report.compared:
        if len(report.compared) > 1:
            yield f"### {escaped(compared.name)}"
        yield from _comparison(compared.comparison)
    yield from _changes(report)
    for rows in changed_rows(report):
        yield f"### Rows: {rows.fixed} fixed, {rows.broken} broken"
        yield folded("Those that changed most", tables.row_table(rows))
    if report.curves:
        charts = [mermaid(curve, report) for curve in report.curves[:CURVES]]
        yield "### Curves\n\n" + "\n\n".join(charts)
    if report.notes:
        notes = [f"- {escaped(note, 300)}" for note in report.notes]
        yield "### Notes\n\n" + "\n".join(notes)


def _headline(report: Report) -> str:
    metric, result, details = wording.headline(report)
    name = escaped(metric)
    answer = f"{name} {result}" if result else name
    return f"{MARKER}\n**{answer}** ({details})"


def _side(side: RevisionLabel) -> str:
    return escaped(wording.side_name(side))


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield tables.comparison_table(comparison)
    yield comparison.note
    paired = wording.paired_sentence(comparison)
    if paired:
        yield paired
    for metric in comparison.metrics:
        unpaired = wording.unpaired_sentence(metric)
        if unpaired:
            yield f"Of rows that did not pair, {escaped(metric.name)} {unpaired}"


def _changes(report: Report) -> Iterator[str]:
    others = other_metrics(report)
    if others:
        yield f"### Metrics\n\n{tables.metric_table(others)}"
    if report.params:
        yield f"### Params\n\n{tables.param_table(report.params)}"
    if report.stages:
        yield f"### Stages that ran\n\n{tables.stage_table(report.stages)}"
    if report.data or report.moved:
        yield "### Data"
    for moved in report.moved:
        examples = wording.first_few(list(map(escaped, moved.examples)))
        yield f"**{wording.moved_sentence(moved)}**: {examples}"
    if report.data:
        yield tables.data_table(report.data)


def _details(report: Report) -> Iterator[str]:
    """Yield what the sections cut short or leave out."""
    if len(report.metrics) > ROWS or report.compared:
        yield f"#### Metrics\n\n{tables.metric_table(report.metrics, FOLDED_ROWS)}"
    if len(report.params) > ROWS:
        yield f"#### Params\n\n{tables.param_table(report.params, FOLDED_ROWS)}"
    for change in report.data:
        if change.diff is None:
            continue
        yield f"#### {escaped(change.path)}"
        if change.diff.classes:
            yield tables.class_table(change.diff.classes)
        yield tables.column_table(change.diff.columns)
    for compared in report.compared:
        for metric in compared.comparison.metrics:
            yield f"{escaped(metric.name)}: {metric.method}"
