"""Write a report as GitHub-flavoured Markdown: the answer first, details folded."""

from collections.abc import Iterator

from reprise.review.data.changes import DataChange
from reprise.review.render import markdown_tables as tables
from reprise.review.render import wording
from reprise.review.render.mermaid import mermaid
from reprise.review.render.selection import changed_rows, other_metrics
from reprise.review.report import Report, RevisionLabel
from reprise.review.stats.results import Comparison
from reprise.text.markdown import ROWS, escaped, folded, sentence
from reprise.text.values import number, number_pair

MARKER = "<!-- reprise report -->"  # by which a workflow finds the comment that it updates
LIMIT = 60_000  # characters; GitHub takes 65,536 in a comment
CURVES = 4
FOLDED_ROWS = 500  # of a table inside the folded part


def markdown(report: Report) -> str:
    """Write the report, ending with a newline.

    The folded part is left out where the text would pass LIMIT. Whatever data says is inert.
    """
    sections = list(_sections(report))
    shown = "\n\n".join(sections)
    details = folded("Full difference", "\n\n".join(_details(report)))
    whole = f"{shown}\n\n{details}\n"
    if len(whole) <= LIMIT:
        return whole
    while len(shown) > LIMIT:  # a section that is cut may end within a code span
        sections.pop()
        shown = "\n\n".join(sections)
    return f"{shown}\n\n_The full difference is too long for a comment._\n"


def _sections(report: Report) -> Iterator[str]:
    yield _headline(report)
    yield from _baselines(report)
    yield f"{_side(report.new)} against {_side(report.old)}"
    for compared in report.compared:
        if len(report.compared) > 1:
            yield f"### {escaped(compared.name)}"
        yield from _comparison(compared.comparison)
    title = wording.metrics_title(report)
    yield from _section(f"### {title}", tables.metric_table(other_metrics(report)))
    yield from _section("### Params", tables.param_table(report.params))
    yield from _section("### Stages that ran", tables.stage_table(report.stages))
    yield from _section("### Data", _data(report))
    for rows in changed_rows(report):
        yield f"### Rows: {rows.fixed} fixed, {rows.broken} broken"
        yield folded("Those that changed most", tables.row_table(rows))
    charts = [mermaid(curve, report) for curve in report.curves[:CURVES]]
    yield from _section("### Curves", "\n\n".join(charts))
    notes = [f"- {escaped(note, 300)}" for note in report.notes]
    yield from _section("### Notes", "\n".join(notes))


def _section(title: str, content: str) -> Iterator[str]:
    """Yield the content under its title. No content makes no section."""
    if content:
        yield f"{title}\n\n{content}"


def _headline(report: Report) -> str:
    metric, result, details = wording.headline(report)
    name = escaped(metric)
    answer = f"{name} {sentence(result)}".rstrip()
    line = f"**{answer}** ({sentence(details)})"
    if report.stale is not None:
        what = wording.stale_sentence(report.stale)
        line = f"**{sentence(what)}**: {escaped(report.stale.command)} mends it. {line}"
    return f"{MARKER}\n{line}"


def _baselines(report: Report) -> Iterator[str]:
    """Yield what the baselines of the primary metric reach, first those that it does not beat."""
    beaten = []
    for baseline in report.baselines:
        metric, name = escaped(baseline.metric), escaped(baseline.name)
        if baseline.beaten:
            beaten.append(f"{name} {number(baseline.baseline)}")
            continue
        value, other = number_pair(baseline.value, baseline.baseline)
        yield f"**{metric} {value} does not beat {name} ({other})**"
    if beaten:
        yield f"{metric} beats {', '.join(beaten)}"


def _side(side: RevisionLabel) -> str:
    return escaped(wording.side_name(side))


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield tables.comparison_table(comparison)
    yield sentence(comparison.note)
    yield from map(sentence, wording.row_sentences(comparison))
    paired = wording.paired_sentence(comparison)
    if paired:
        yield paired
        yield sentence(wording.all_rows_sentence(comparison))
    for metric in comparison.metrics:
        unpaired = wording.unpaired_sentence(metric)
        if unpaired:
            yield f"Of rows that did not pair, {escaped(metric.name)} {unpaired}"


def _data(report: Report) -> str:
    blocks = []
    for moved in report.moved:
        examples = wording.first_few(list(map(escaped, moved.examples)))
        blocks.append(f"**{sentence(wording.moved_sentence(moved))}**: {examples}")
    blocks.append(tables.data_table(report.data))
    return "\n\n".join(blocks).strip()


def _details(report: Report) -> Iterator[str]:
    """Yield what the sections cut short or leave out."""
    if len(report.metrics) > ROWS or report.compared:
        table = tables.metric_table(report.metrics, FOLDED_ROWS)
        yield from _section(f"#### {wording.metrics_title(report)}", table)
    if len(report.params) > ROWS:
        yield f"#### Params\n\n{tables.param_table(report.params, FOLDED_ROWS)}"
    for change in report.data:
        yield from _table_details(change)
    for compared in report.compared:
        for metric in compared.comparison.metrics:
            yield f"{escaped(metric.name)}: {sentence(metric.method)}"


def _table_details(change: DataChange) -> Iterator[str]:
    """Yield the classes and the columns of a table that both revisions have."""
    if change.diff is None:
        return
    classes = tables.class_table(change.diff)
    columns = tables.column_table(change.diff.columns)
    content = f"{classes}\n\n{columns}".strip()
    yield from _section(f"#### {escaped(change.path)}", content)
