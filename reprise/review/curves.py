"""Compares the lines that `dvc plots` draws, old beside new: loss by epoch and the like."""

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from reprise.dvc.history.plots import Plot
from reprise.dvc.history.revision import Revision

LINE_TEMPLATES = {None, "linear", "smooth", "simple"}  # DVC's plot templates that draw a line
LINES = 10  # of a plot of several
POINTS = 200  # of a line; more are thinned out
Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """Holds one field of a plot on both sides.

    old, new: points (x, y) in the order of the file; empty where a side has no such field.
    """

    title: str
    field: str
    x: str
    old: list[Point]
    new: list[Point]


@dataclass(frozen=True)
class CurveSet:
    """Holds a plot of several lines a side, such as ROC curves, one for each class.

    names: of the lines, those first that moved most; old, new: points (x, y) of each, empty where a
    side has no such line; hidden: how many more lines the plot has.
    """

    title: str
    x: str
    y: str
    names: list[str]
    old: list[list[Point]]
    new: list[list[Point]]
    hidden: int


def compare_curves(plots: Iterable[Plot], old: Revision, new: Revision) -> list[Curve]:
    """Return a curve for each plotted field that differs and has two points at least on a side."""
    curves = []
    for plot in plots:
        if plot.template not in LINE_TEMPLATES:
            continue
        fields = map(itemgetter("field"), plot.points)
        for field in dict.fromkeys(fields):
            old_points = _points(plot, field, old)
            new_points = _points(plot, field, new)
            most_points = max(len(old_points), len(new_points))
            if most_points > 1 and old_points != new_points:
                curve = Curve(plot.title, field, plot.x_label, old_points, new_points)
                curves.append(curve)
    return curves


def compare_curve_sets(plots: Iterable[Plot], old: Revision, new: Revision) -> list[CurveSet]:
    """Return the plots that draw a line for each value of a column, where a line differs."""
    sets = []
    for plot in plots:
        if plot.series is None:
            continue
        names = dict.fromkeys(str(point.get(plot.series)) for point in plot.points)
        lines = {}
        for name in names:
            field = plot.points[0]["field"]
            lines[name] = [_points(plot, field, side, name) for side in (old, new)]
        if all(before == after for before, after in lines.values()):
            continue
        moved = sorted(lines, key=lambda name: -_area_between(*lines[name]))
        shown = moved[:LINES]
        sets.append(
            CurveSet(
                plot.title,
                plot.x_label,
                plot.y_label,
                shown,
                [thinned(lines[name][0]) for name in shown],
                [thinned(lines[name][1]) for name in shown],
                len(moved) - len(shown),
            )
        )
    return sets


def _area_between(old: Sequence[Point], new: Sequence[Point]) -> float:
    """Return how far the areas under both lines differ; a side may have no line."""
    return abs(_area(new) - _area(old))


def _area(points: Sequence[Point]) -> float:
    xs, ys = np.array(sorted(points)).reshape(-1, 2).T
    return float(np.trapezoid(ys, xs))


def thinned(points: Sequence[Point], limit: int = POINTS) -> list[Point]:
    """Keep about `limit` points: the lowest and highest of each run of neighbours, and the last.

    So no spike is lost.
    """
    if len(points) <= limit:
        return list(points)
    size = math.ceil(2 * len(points) / limit)
    kept: list[int] = []
    for start in range(0, len(points), size):
        run = range(start, min(start + size, len(points)))
        lowest = min(run, key=lambda index: points[index][1])
        highest = max(run, key=lambda index: points[index][1])
        kept += sorted({lowest, highest})
    kept.append(len(points) - 1)
    return [points[index] for index in dict.fromkeys(kept)]


def _points(plot: Plot, field: str, revision: Revision, name: str | None = None) -> list[Point]:
    """Return a revision's points, without those whose x or y is no number.

    name: of the line, in a plot of several; in others there is one.
    """
    rev = revision.commit or "workspace"
    points = []
    for point in plot.points:
        if (point["field"], point["rev"]) != (field, rev):
            continue
        if str(point.get(plot.series)) != str(name):
            continue
        with suppress(KeyError, TypeError, ValueError):  # a cell may be empty
            x = float(point[plot.x])
            y = float(point[plot.y])
            if math.isfinite(x) and math.isfinite(y):  # a loss may be NaN
                points.append((x, y))
    return points
