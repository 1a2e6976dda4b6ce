"""Compares the lines that `dvc plots` draws, old beside new: loss by epoch and the like."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
        for field in _fields(plot):
            old_points = _points(plot, field, old)
            new_points = _points(plot, field, new)
            is_line = max(len(old_points), len(new_points)) > 1
            if is_line and old_points != new_points:
                curves.append(Curve(plot.title, field, plot.x_label, old_points, new_points))
    return curves


def _fields(plot: Plot) -> Sequence[str]:
    """List the fields of a plot, each once, in the order of its points."""
    return list(dict.fromkeys(point["field"] for point in plot.points))


def _points(plot: Plot, field: str, revision: Revision) -> list[Point]:
    """Return a revision's points, without those whose x or y is no number.

    A loss may be NaN, and a cell empty.
    """
    rev = revision.commit or "workspace"
    points = []
    for point in plot.points:
        if point["field"] != field or point["rev"] != rev:
            continue
        x = _number(point.get(plot.x))
        y = _number(point.get(plot.y))
        if x is not None and y is not None:
            points.append((x, y))
    return points


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
