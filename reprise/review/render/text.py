"""Write a report for a terminal: the same in about forty lines, which fit its width."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from io import StringIO

from rich.console import Console
from rich.text import Text

from reprise.review.data.changes import DataChange
from reprise.review.predictions import ComparedPredictions
from reprise.review.render import wording
from reprise.review.render.columns import columns, cut
from reprise.review.render.row_sections import rows_title, size_sentence
from reprise.review.render.selection import (
    changed_models,
    changed_values,
    drifts,
    moved_parts,
    shown_metrics,
    shown_parts,
    sorted_metrics,
    with_changed_rows,
)
from reprise.review.render.verdict_style import verdict_style
from reprise.review.report import Report, StageChange, ValueChange
from reprise.review.stats.parts import PartComparison
from reprise.review.stats.results import Comparison, MetricComparison
from reprise.shorten import shorten
from reprise.text.values import number_pair, single_line

WIDTH = 80  # cells of a terminal that does not say, and of a file
LEAST_WIDTH = 20
METRICS = 10  # in a table, and those that are worse
PARTS = 5
ITEMS = 2  # lines of a list: of params, stages, other metrics
TABLES = 4  # of data
NOTES = 4
VALUE = 24  # characters of a param's value
PROSE = 4  # lines of a sentence
LONGEST = 2000  # characters of a list
LEAST = ("old", "new", "95 % interval", "difference")  # columns that a narrow terminal lacks
TITLE = 10  # cells of a section's title, which stands left of it

_Row = tuple[str, MetricComparison]  # with its name


def text(report: Report, width: int = WIDTH) -> str:
    """Write the report as plain text, ending with a newline. width: in cells."""
    return "".join(f"{line.plain}\n" for line in text_lines(report, width))


def print_text(report: Report) -> None:
    """Print the report as wide as the terminal, in its colours unless NO_COLOR forbids them."""
    has_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    console = Console(color_system="auto" if has_colours else None)
    for line in text_lines(report, shutil.get_terminal_size((WIDTH, 0)).columns):
        console.print(line, soft_wrap=True, highlight=False)


def text_lines(report: Report, width: int) -> list[Text]:
    """Write the report as styled lines of at most `width` cells. Whatever data says is inert."""
    width = max(width, LEAST_WIDTH)
    lines = [*_headline(report, width), Text("")]
    for compared in report.compared:
        lines += _comparison(compared, width, titled=len(report.compared) > 1)
    lines += _lists(report, width)
    for line in lines:
        line.rstrip()
    while not lines[-1]:
        lines.pop()
    return lines


def _headline(report: Report, width: int) -> Iterator[Text]:
    metric, result, details, worse = wording.headline(report)
    if report.stale is not None:
        stale = f"{wording.stale_sentence(report.stale)}: {report.stale.command} mends it."
        yield from _wrapped(stale, width, "bold yellow")
    answer = f"{single_line(metric)} {result}".rstrip()
    style = "bold"
    if report.primary is not None:
        style = f"bold {verdict_style(report.primary.verdict).colour}"
    yield from _wrapped(answer, width, style.strip())
    yield from _wrapped(worse, width, "bold red")
    yield from _wrapped(details, width)
    for line in wording.unbeaten_sentences(report, single_line):
        yield from _wrapped(line, width, "red")
    yield from _wrapped(wording.beaten_sentence(report, single_line), width)
    sides = f"{wording.side_name(report.new)} against {wording.side_name(report.old)}"
    yield from _wrapped(sides, width, "dim")


def _comparison(compared: ComparedPredictions, width: int, *, titled: bool) -> Iterator[Text]:
    """Yield the table of verdicts, what it is over, and the classes and slices."""
    comparison = compared.comparison
    if titled:
        yield Text(cut(single_line(compared.name, LONGEST), width), "bold")
    yield from _metric_table(comparison, width)
    sentences = []
    for metric in sorted_metrics(comparison)[: shown_metrics(comparison, METRICS)]:
        if metric.why:
            sentences.append(f"{single_line(metric.name)}: {metric.why}")
    sentences.append(comparison.note)
    sentences += wording.row_sentences(comparison)
    paired = wording.paired_sentence(comparison)
    if paired:
        sentences += [paired, wording.all_rows_sentence(comparison)]
    for sentence in dict.fromkeys(sentences):
        yield from _wrapped(sentence, width, "dim")
    yield Text("")
    if compared.parts:
        yield from _part_table(moved_parts(compared.parts), width)
        yield from _wrapped(wording.unmoved_parts_sentence(compared.parts), width, "dim")
        yield Text("")


def _metric_table(comparison: Comparison, width: int) -> Iterator[Text]:
    metrics = sorted_metrics(comparison)
    shown = metrics[: shown_metrics(comparison, METRICS)]
    rows = [(single_line(metric.name), metric) for metric in shown]
    yield from _verdicts("metric", rows, width)
    yield from _hidden(len(metrics) - len(shown))


def _part_table(parts: Sequence[PartComparison], width: int) -> Iterator[Text]:
    shown = parts[: shown_parts(parts, PARTS)]
    rows = []
    for part in shown:
        name = f"{wording.part_name(part)} ({part.rows} rows)"
        rows.append((single_line(name), wording.part_result(part)))
    yield from _verdicts("part", rows, width)
    yield from _hidden(len(parts) - len(shown))


def _verdicts(title: str, rows: Sequence[_Row], width: int) -> Iterator[Text]:
    """Yield the lines of a table of verdicts."""
    lines, styles = [], []
    for name, result in rows:
        style = verdict_style(result.verdict)
        line = [
            name,
            *number_pair(result.old, result.new),
            wording.difference_with_unit(result),
            wording.interval(result),
            style.short,
        ]
        lines.append(line)
        styles.append(style.colour)
    header = [title, "old", "new", "difference", "95 % interval", "verdict"]
    yield from columns(header, lines, styles, width, LEAST)


def _hidden(count: int) -> Iterator[Text]:
    """Say how many rows a table does not show."""
    if count > 0:
        yield Text(f"and {count} more", "dim")


def _lists(report: Report, width: int) -> Iterator[Text]:
    """Yield what else changed, each kind in a few lines with its title on the left."""
    inner = width - TITLE
    metrics = []
    for change in changed_values(report):
        metrics.append(_metric(change))
    yield from _titled("metrics", _listed(metrics, inner))
    yield from _titled("params", _listed(list(map(_param, report.params)), inner))
    yield from _titled("stages", _listed(list(map(_stage, report.stages)), inner))
    yield from _titled("data", _data(report, inner))
    for compared, rows in with_changed_rows(report):
        title = rows_title(compared, rows).removeprefix("Rows: ")
        yield from _titled("rows", _wrapped(title, inner))
    confused: list[str] = []
    for compared in report.compared:
        confused.extend(_confused(compared))
    yield from _titled("confused", _listed(confused, inner))
    sizes = []
    for model in changed_models(report):
        sizes.append(single_line(size_sentence(model), LONGEST))
    yield from _titled("model", _listed(sizes, inner))
    notes: list[Text] = []
    for note in report.notes[:NOTES]:
        notes += _wrapped(note, inner)
    yield from _titled("notes", [*notes, *_hidden(len(report.notes) - NOTES)])


def _titled(title: str, lines: Iterable[Text]) -> Iterator[Text]:
    """Put a title left of the first line. No lines have no title."""
    for line in lines:
        yield Text.assemble((title.ljust(TITLE), "dim"), line)
        title = ""


def _metric(change: ValueChange) -> str:
    old, new = number_pair(change.old, change.new)
    return f"{single_line(change.key)} {single_line(old, VALUE)} → {single_line(new, VALUE)}"


def _param(change: ValueChange) -> str:
    old, new = wording.param_sides(change, partial(single_line, limit=VALUE), "none")
    return f"{single_line(wording.param_name(change))} {old} → {new}"


def _stage(change: StageChange) -> str:
    why: str = change.kind
    if change.why:
        why = wording.first_few(list(map(single_line, change.why)), 2)
    described = f"{single_line(change.name)} ({why})"
    if change.seconds is not None:
        described += f" {wording.duration(change)}"
    return described


def _data(report: Report, width: int) -> Iterator[Text]:
    """Yield the ids that moved between splits, and a line for each table, drifted ones first."""
    for moved in report.moved:
        yield from _wrapped(wording.moved_sentence(moved), width, "yellow")
    changes = sorted(report.data, key=lambda change: not (change.diff and drifts(change.diff)))
    for change in changes[:TABLES]:
        yield Text(cut(_table(change), width))
    yield from _hidden(len(changes) - TABLES)


def _table(change: DataChange) -> str:
    path, diff = single_line(change.path), change.diff
    if diff is None:
        return f"{path}: {single_line(change.note or change.kind, LONGEST)}"
    facts = [f"{wording.row_counts(diff)} rows"]
    drifted = list(map(single_line, wording.drifted_names(diff)))
    if drifted:
        facts.append(f"drift of {wording.first_few(drifted, 3)}")
    counts = {"added": diff.added, "removed": diff.removed, "changed": diff.changed}
    for what, count in counts.items():
        if count:
            facts.append(f"{count} {what}")
    column_changes = wording.column_changes(diff, single_line)
    if column_changes:
        facts.append(wording.first_few(column_changes, 3))
    return f"{path}: {', '.join(facts)}"


def _confused(compared: ComparedPredictions) -> Iterator[str]:
    """Yield the pairs of classes whose rows changed beyond noise."""
    for change in compared.confused:
        if change.is_beyond_noise:
            truth, predicted = (
                single_line(name, VALUE) for name in (change.target, change.prediction)
            )
            yield f"{truth} taken for {predicted} {change.old:g} → {change.new:g}"


def _listed(items: Sequence[str], width: int) -> list[Text]:
    """List as many items as ITEMS lines hold, one at least, and say how many more there are."""
    if not items:
        return []
    fitting = _wrapped(shorten(items, 1), width, most=ITEMS)
    for count in range(2, len(items) + 1):
        lines = _wrapped(shorten(items, count), width, most=ITEMS + 1)
        if len(lines) > ITEMS:
            break
        fitting = lines
    return fitting


def _wrapped(sentence: str, width: int, style: str = "", most: int = PROSE) -> list[Text]:
    """Break a sentence into `most` lines of at most `width` cells; an empty one has none."""
    line = single_line(sentence, LONGEST)
    if not line:
        return []
    lines = list(Text(line, style).wrap(_console(), width))
    if len(lines) > most:
        lines[most - 1 :] = [Text(cut(f"{lines[most - 1].plain}…", width), style)]
    return lines


@cache
def _console() -> Console:
    """Make the console that rich asks for to break lines: nothing is printed on it."""
    return Console(file=StringIO(), color_system=None)
