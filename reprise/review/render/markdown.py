"""Write a report as Markdown, the answer first: for a forge's comment, with details folded.

On other pages that show Markdown, nothing folds, so that they have no details, and Mermaid stays
text, so that they have pictures.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter

from reprise.review.curves import Curve
from reprise.review.data.changes import DataChange
from reprise.review.predictions import ComparedPredictions
from reprise.review.render import markdown_tables as tables
from reprise.review.render import wording
from reprise.review.render.mermaid import mermaid
from reprise.review.render.picture import picture
from reprise.review.render.row_sections import (
    confused_table,
    row_table,
    rows_title,
    size_sentence,
)
from reprise.review.render.selection import (
    changed_models,
    moved_parts,
    other_metrics,
    shown_parts,
    with_changed_rows,
)
from reprise.review.report import Report, RevisionLabel
from reprise.review.stats.parts import PartComparison
from reprise.shorten import shorten
from reprise.text.markdown import MARKER, ROWS, escaped, folded, sentence

LIMIT = 60_000  # characters; GitHub takes 65,536 in a comment
PAGE_LIMIT = 250_000  # characters, most of them of pictures
NOTE = 2000  # characters that say what was left out, at most
KEPT = 2  # the rank of what stays, as long as it is
CURVES = 4
FOLDED_ROWS = 500  # of a table inside the folded part


@dataclass(frozen=True)
class _Section:
    """Holds a part of the text. rank: the higher, the sooner it is left out of a long text."""

    name: str
    rank: int
    text: str


@dataclass(frozen=True)
class _Medium:
    """Holds what shows the Markdown can do.

    fold: folds content under a title; draw: draws a curve, or returns nothing where it can't.
    """

    fold: Callable[[str, str], str]
    draw: Callable[[Curve, Report], str]


def _unfolded(title: str, content: str) -> str:
    if content:
        return f"{title}:\n\n{content}"
    return ""


COMMENT = _Medium(folded, mermaid)
PAGE = _Medium(_unfolded, picture)


def markdown(report: Report) -> str:
    """Write the report, ending with a newline. Whatever data says is inert.

    Where the text would pass LIMIT, whole sections are left out, the least important first. Those
    with what is worse stay; where they are too long themselves, their last rows are left out.
    """
    shown = list(_sections(report, COMMENT))
    details = list(_details(report))
    left_out: list[str] = []
    text = _joined(shown, details, left_out)
    while len(text) > LIMIT:
        least = max([*reversed(details), *reversed(shown)], key=attrgetter("rank"))
        if least.rank <= KEPT:
            return _cut(shown, left_out)
        part = shown
        if least in details:
            part = details
        part.remove(least)
        left_out.append(least.name)
        text = _joined(shown, details, left_out)
    return text


def page_markdown(report: Report) -> str:
    """Write the report for a page that folds nothing, and shows pictures."""
    sections = list(_sections(report, PAGE))
    text = _joined(sections, [], [])
    if len(text) <= PAGE_LIMIT:
        return text
    return _cut(sections, [])


def _cut(shown: Sequence[_Section], left_out: Sequence[str]) -> str:
    """Leave out the last lines of sections that are too long, and say how many."""
    lines = "\n\n".join(section.text for section in shown).splitlines(keepends=True)
    sizes = list(accumulate(map(len, lines)))
    count = bisect_right(sizes, LIMIT - NOTE)
    names = [*dict.fromkeys(left_out)][:10]
    names.append(f"the last {len(lines) - count} lines")
    body = "".join(lines[:count])
    return f"{body}\n_Too long for a comment, left out: {', '.join(names)}._\n"


def _joined(shown: Sequence[_Section], details: Sequence[_Section], left_out: list[str]) -> str:
    parts = [section.text for section in shown]
    if details:
        inner = "\n\n".join(section.text for section in details)
        parts.append(folded("Full difference", inner))
    if left_out:
        names = shorten(list(dict.fromkeys(left_out)), 10)
        parts.append(f"_Too long for a comment, left out: {names}._")
    text = "\n\n".join(parts)
    return f"{text}\n"


def _sections(report: Report, medium: _Medium) -> Iterator[_Section]:
    """Yield what stands outside the folded part, in the order of reading."""
    yield _Section("the first line", 0, _headline(report))
    for line in _baselines(report):
        yield _Section("baselines", 3, line)
    yield _Section("the revisions", 1, f"{_side(report.new)} against {_side(report.old)}")
    for compared in report.compared:
        yield from _comparison(compared, titled=len(report.compared) > 1)
    title = f"### {wording.metrics_title(report)}"
    yield from _section(title, 5, tables.metric_table(other_metrics(report)))
    yield from _section("### Params", 4, tables.param_table(report.params))
    yield from _section("### Stages that ran", 7, tables.stage_table(report.stages))
    yield from _section("### Data", 4, _data(report))
    for compared, rows in with_changed_rows(report):
        title = f"### {rows_title(compared, rows)}"
        yield from _section(title, 6, medium.fold("Those that changed most", row_table(rows)))
    sizes = [f"- {sentence(size_sentence(model))}" for model in changed_models(report)]
    yield from _section("### Size of the model", 6, "\n".join(sizes))
    yield from _section("### Curves", 8, _curves(report, medium))
    notes = [f"- {sentence(note)}" for note in report.notes]
    yield from _section("### Notes", 3, "\n".join(notes))


def _section(title: str, rank: int, content: str) -> Iterator[_Section]:
    """Yield the content under its title. No content makes no section."""
    if content:
        yield _Section(title.lstrip("# "), rank, f"{title}\n\n{content}")


def _headline(report: Report) -> str:
    metric, result, details, worse = wording.headline(report)
    name = escaped(metric)
    answer = f"{name} {sentence(result)}".rstrip()
    if worse:
        answer += f"; {sentence(worse)}"
    line = f"**{answer}** ({sentence(details)})"
    if report.stale is not None:
        what = wording.stale_sentence(report.stale)
        line = f"**{sentence(what)}**: {escaped(report.stale.command)} mends it. {line}"
    return f"{MARKER}\n{line}"


def _baselines(report: Report) -> Iterator[str]:
    """Yield what the baselines of the primary metric reach, first those that it does not beat."""
    for line in wording.unbeaten_sentences(report, escaped):
        yield f"**{line}**"
    yield from filter(None, [wording.beaten_sentence(report, escaped)])


def _side(side: RevisionLabel) -> str:
    return escaped(wording.side_name(side))


def _comparison(compared: ComparedPredictions, *, titled: bool) -> Iterator[_Section]:
    """Yield the table of verdicts, which stays whatever else goes, and the sentences under it."""
    comparison = compared.comparison
    name = escaped(compared.name)
    text = tables.comparison_table(comparison)
    if len(text) > LIMIT // 2:  # names may be long: those that are worse, then
        text = tables.comparison_table(comparison, 1)
    if titled:
        text = f"### {name}\n\n{text}"
    yield _Section(f"verdicts of {name}", KEPT, text)
    lines = [sentence(comparison.note)]
    lines += map(sentence, wording.row_sentences(comparison))
    paired = wording.paired_sentence(comparison)
    if paired:
        lines += [paired, sentence(wording.all_rows_sentence(comparison))]
    for metric in comparison.metrics:
        unpaired = wording.unpaired_sentence(metric)
        if unpaired:
            lines.append(f"Of rows that did not pair, {escaped(metric.name)} {unpaired}")
    yield _Section(f"notes on the verdicts of {name}", 3, "\n\n".join(lines))
    rank = 4
    if shown_parts(compared.parts, 0):  # those that are worse
        rank = KEPT
    yield from _section("### Classes and slices", rank, _parts(compared.parts))
    confused = confused_table(compared.confused)
    yield from _section("### Confusion, the largest changes first", 6, confused)


def _parts(parts: Sequence[PartComparison]) -> str:
    """Write the classes and slices that moved, and how many did not."""
    table = tables.part_table(moved_parts(parts), tables.PARTS)
    return f"{table}\n\n{wording.unmoved_parts_sentence(parts)}".strip()


def _curves(report: Report, medium: _Medium) -> str:
    """Draw the first curves, and name those that only HTML can draw."""
    charts, undrawn = [], []
    for curve in report.curves[:CURVES]:
        chart = medium.draw(curve, report)
        if chart:
            charts.append(chart)
        else:
            undrawn.append(f"{escaped(curve.title)}: {escaped(curve.field)}")
    if undrawn:
        names = "; ".join(undrawn)
        charts.append(f"Points of uneven x, which `--format html` draws: {names}")
    return "\n\n".join(charts)


def _data(report: Report) -> str:
    blocks = []
    for moved in report.moved:
        examples = wording.first_few(list(map(escaped, moved.examples)))
        blocks.append(f"**{sentence(wording.moved_sentence(moved))}**: {examples}")
    blocks.append(tables.data_table(report.data))
    return "\n\n".join(blocks).strip()


def _details(report: Report) -> Iterator[_Section]:
    """Yield what the sections cut short or leave out."""
    if len(report.metrics) > ROWS or report.compared:
        table = tables.metric_table(report.metrics, FOLDED_ROWS)
        yield from _section(f"#### {wording.metrics_title(report)}", 11, table)
    if len(report.params) > ROWS:
        yield from _section("#### Params", 10, tables.param_table(report.params, FOLDED_ROWS))
    for compared in report.compared:
        if len(moved_parts(compared.parts)) < len(compared.parts):
            table = tables.part_table(compared.parts, FOLDED_ROWS)
            yield from _section("#### Classes and slices", 10, table)
    for change in report.data:
        yield from _table_details(change)
    for compared in report.compared:
        methods = []
        for metric in compared.comparison.metrics:
            methods.append(f"{escaped(metric.name)}: {sentence(metric.method)}")
        yield _Section("methods", 9, "\n\n".join(methods))


def _table_details(change: DataChange) -> Iterator[_Section]:
    """Yield the classes and the columns of a table that both revisions have."""
    if change.diff is None:
        return
    classes = tables.class_table(change.diff)
    columns = tables.column_table(change.diff.columns)
    content = f"{classes}\n\n{columns}".strip()
    yield from _section(f"#### {escaped(change.path)}", 12, content)
