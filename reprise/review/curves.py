"""The lines of `dvc plots`, old beside new: loss by epoch and the like."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reprise.dvc.history.plots import Plot
from reprise.dvc.history.revision import Revision

LINES = {None, "linear", "smooth", "simple"}  # templates that draw a line
Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One field of a plot. old, new: points (x, y), in the order of the file; none where a side has no such field."""

    title: str
    field: str
    x: str
    old: list[Point]
    new: list[Point]


def curves(plots: Iterable[Plot], old: Revision, new: Revision) -> list[Curve]:
    """A curve for each field of a plot by lines that differs: x and y are numbers, two points at least on a side."""
    made = []
    for plot in plots:
        if plot.template in LINES:
            for name in dict.fromkeys(p["field"] for p in plot.points):
                points = [p for p in plot.points if p["field"] == name]
                sides = [_side(points, revision, plot) for revision in (old, new)]
                if max(map(len, sides)) > 1 and sides[0] != sides[1]:
                    made.append(Curve(plot.title, name, plot.x_label, *sides))
    return made


def _side(points: Sequence[dict[str, Any]], revision: Revision, plot: Plot) -> list[Point]:
    """Points whose x or y is no number are left out: a loss of NaN, an empty cell."""
    found = []
    for point in points:
        if point["rev"] == (revision.commit or "workspace"):
            x, y = (_number(point.get(axis)) for axis in (plot.x, plot.y))
            if x is not None and y is not None:
                found.append((x, y))
    return found


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < float("inf") else None
