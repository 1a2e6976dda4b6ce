"""Draw the charts of a report's metrics, curves and columns."""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from reprise.review.confusion import Confusion
from reprise.review.curves import Curve, CurveSet, Point
from reprise.review.data.column_types import ColumnKind
from reprise.review.data.columns import ColumnDiff
from reprise.review.render import wording
from reprise.review.render.confusion_matrix import confusion_matrix
from reprise.review.render.histograms import category_bars, histogram, short_number
from reprise.review.render.interval_plot import interval_plot
from reprise.review.render.line_chart import Line, line_chart
from reprise.review.render.verdict_style import verdict_style
from reprise.review.report import Report, RevisionLabel
from reprise.review.stats.results import MetricComparison
from reprise.text.values import single_line

NAME = 40  # characters of a side or an axis


def metric_figure(metric: MetricComparison) -> Markup:
    """Draw the interval of a metric's difference. A metric without a finite one has no figure."""
    difference, low, high = metric.difference, metric.low, metric.high
    if low is None:
        return Markup()
    assert difference is not None
    assert high is not None
    if not all(map(math.isfinite, (difference, low, high))):
        return Markup()
    change = wording.difference(metric, difference)
    title = f"{single_line(metric.name)}: {change}, 95 % interval {wording.interval(metric)}"
    if metric.margin is not None:
        title += f", margin ±{wording.difference(metric, metric.margin, sign=False)}"
    style = verdict_style(metric.verdict).css_class
    return interval_plot(title, low, high, difference, metric.margin, style)


def curve_figure(curve: Curve, report: Report) -> Markup:
    """Draw a curve of both sides."""
    lines = [
        Line("old", _name(report.old), curve.old),
        Line("new", _name(report.new), curve.new),
    ]
    title = f"{single_line(curve.title)}: {single_line(curve.field)}"
    x_title, y_title = single_line(curve.x, NAME), single_line(curve.field, NAME)
    return line_chart(title, x_title, y_title, lines)


def curve_set_figures(curves: CurveSet) -> list[tuple[str, Markup]]:
    """Draw the lines of each side, by the side's style: "old" and "new"."""
    sides = {"old": _lines(curves.names, curves.old), "new": _lines(curves.names, curves.new)}
    x_title, y_title = single_line(curves.x, NAME), single_line(curves.y, NAME)
    figures = []
    for side, other in (("old", "new"), ("new", "old")):
        title = f"{single_line(curves.title)}: {side}"
        chart = line_chart(title, x_title, y_title, sides[side], sides[other])
        figures.append((side, chart))
    return figures


def _lines(names: Sequence[str], points: Sequence[list[Point]]) -> list[Line]:
    return [
        Line(f"l{index}", single_line(name, NAME), line)
        for index, (name, line) in enumerate(zip(names, points, strict=True))
    ]


def confusion_figures(confusion: Confusion) -> list[tuple[str, Markup]]:
    """Draw the confusion matrix of each side, by the side's style: "old" and "new"."""
    old, new, classes = confusion.old, confusion.new, confusion.classes
    return [
        ("old", confusion_matrix("confusion matrix: old", classes, old, new)),
        ("new", confusion_matrix("confusion matrix: new", classes, new, old)),
    ]


def _name(side: RevisionLabel) -> str:
    return single_line(wording.side_name(side), NAME)


def _day(seconds: float) -> str:
    """Write a time, in seconds since 1970, as its day."""
    day = np.datetime64(int(seconds), "s").astype("datetime64[D]")
    return str(day)


def column_figure(column: ColumnDiff) -> Markup:
    """Draw how a column is distributed. A column without a histogram has no figure."""
    counts = column.histogram
    if counts is None or not counts.old:
        return Markup()
    title = single_line(column.name)
    if counts.edges is not None:
        write = _day if column.kind is ColumnKind.DATE else short_number
        return histogram(title, counts.edges, counts.old, counts.new, write)
    assert counts.values is not None
    return category_bars(title, list(map(single_line, counts.values)), counts.old, counts.new)
