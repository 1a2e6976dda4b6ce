"""A report as one HTML file: no script, no network, readable on a phone and in the dark, whatever data says inert."""

import math
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reprise.review.curves import Curve
from reprise.review.data.columns import ColumnDiff
from reprise.review.data.table_diff import TableDiff
from reprise.review.render import charts, histograms, wording
from reprise.review.render.selection import other_metrics
from reprise.review.render.values import CELL, number, number_pair, single_line
from reprise.review.render.verdict_style import verdict_style
from reprise.review.report import Report
from reprise.review.stats.results import MetricComparison

ROWS = 100  # of a table that is not folded
FOLDED = 300  # rows of one that is
CHARTS = 12  # of loss curves, and of columns of one table


def html(report: Report) -> str:
    """The page; it ends with a newline."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"said": said, "up_to": up_to}
    environment.globals |= {
        "wording": wording,
        "single_line": single_line,
        "number": number,
        "number_pair": number_pair,
        "verdict_style": verdict_style,
        "interval_plot": interval_plot,
        "line_chart": line_chart,
        "drifting": drifting,
        "column_chart": column_chart,
        "ROWS": ROWS,
        "FOLDED": FOLDED,
        "CHARTS": CHARTS,
    }
    return environment.get_template("report.html.j2").render(
        report=report, headline=wording.headline(report), others=other_metrics(report)
    )


def said(value: Any, most: int = CELL) -> Markup:
    """What data, params and git say, set apart so that text from right to left leaves its surroundings alone."""
    text = single_line(value, most)
    return Markup("<bdi>{}</bdi>").format(text) if text else Markup("<i>empty</i>")


def up_to(values: Iterable[Any], most: int) -> list[Any]:
    return [*islice(values, most)]


def interval_plot(metric: MetricComparison) -> Markup:
    """Empty for a metric without an interval."""
    at, low, high = metric.difference, metric.low, metric.high
    if at is None or low is None or high is None or not all(map(math.isfinite, (at, low, high))):
        return Markup()
    margin = (
        ""
        if metric.margin is None
        else f", margin ±{wording.difference(metric, metric.margin, sign=False)}"
    )
    title = f"{single_line(metric.name)}: {wording.difference(metric, at)}, 95 % interval {wording.interval(metric)}{margin}"
    return charts.interval_plot(
        title, low, high, at, metric.margin, verdict_style(metric.verdict).css_class
    )


def line_chart(curve: Curve, report: Report) -> Markup:
    lines = [
        charts.Line("old", single_line(wording.side_name(report.old), 40), curve.old),
        charts.Line("new", single_line(wording.side_name(report.new), 40), curve.new),
    ]
    title = f"{single_line(curve.title)}: {single_line(curve.field)}"
    return charts.line_chart(title, single_line(curve.x, 40), single_line(curve.field, 40), lines)


def drifting(diff: TableDiff) -> list[ColumnDiff]:
    """Columns with a flag, those that drifted most first."""
    return sorted((c for c in diff.columns if c.flag), key=lambda c: (-(c.drift or 0), c.name))


def column_chart(column: ColumnDiff) -> Markup:
    """Empty for a column without a histogram."""
    found, title = column.histogram, single_line(column.name)
    if found is None or not found.old:
        return Markup()
    if found.edges is not None:
        return histograms.histogram(title, found.edges, found.old, found.new)
    assert found.values is not None
    return histograms.categories(title, [*map(single_line, found.values)], found.old, found.new)
