"""Compares the lines that `dvc plots` draws, old beside new: loss by epoch and the like."""

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter

from reprise.dvc.history.plots import Plot
from reprise.dvc.history.revision import Revision

LINE_TEMPLATES = {None, "linear", "smooth", "simple"}  # DVC's plot templates that draw a line
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


def _points(plot: Plot, field: str, revision: Revision) -> list[Point]:
    """Return a revision's points, without those whose x or y is no number."""
    rev = revision.commit or "workspace"
    points = []
    for point in plot.points:
        if (point["field"], point["rev"]) != (field, rev):
            continue
        with suppress(KeyError, TypeError, ValueError):  # a cell may be empty
            x = float(point[plot.x])
            y = float(point[plot.y])
            if math.isfinite(x) and math.isfinite(y):  # a loss may be NaN
                points.append((x, y))
    return points
