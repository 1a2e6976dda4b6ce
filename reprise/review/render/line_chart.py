"""Draw lines of points over common axes, such as losses by epoch, as SVG."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reprise.review.curves import Point, thinned
from reprise.review.render.svg import RIGHT, WIDTH, Axis, label, svg
from reprise.review.render.ticks import clamped, tick_label, ticks

HEIGHT = 210
LEFT, TOP, BOTTOM = 48, 10, 172  # of the area between the axes, in pixels


@dataclass(frozen=True)
class Line:
    """Holds a line to draw. style: the page's class for it, such as "old" or "new"."""

    style: str
    name: str
    points: list[Point]


def line_chart(
    title: str,
    x_title: str,
    y_title: str,
    lines: Iterable[Line],
    others: Iterable[Line] = (),
) -> Markup:
    """Draw the lines that have points; one must have some, or of the others.

    others: of the chart beside it, which has the same axes.
    """
    drawn = [line for line in lines if line.points]
    points: list[Point] = []
    for line in [*drawn, *others]:
        points += line.points
    xs, ys = zip(*points, strict=True)
    x_axis = _x_axis(xs)
    y_ticks = ticks(min(ys), max(ys))
    y_axis = Axis(y_ticks[0], y_ticks[-1], BOTTOM, TOP)
    parts = [
        *_y_rules(y_axis, y_ticks),
        *_x_marks(x_axis),
        *(_path(line, x_axis, y_axis) for line in drawn),
        label((LEFT + RIGHT) / 2, HEIGHT - 4, x_title, "middle"),
    ]
    description = "; ".join(map(_description, drawn))
    return svg(WIDTH, HEIGHT, title, f"{y_title} by {x_title}. {description}", parts)


def _x_axis(xs: Sequence[float]) -> Axis:
    low, high = clamped(min(xs)), clamped(max(xs))
    if low == high:
        half = max(0.5, math.ulp(low))  # half a unit vanishes beside numbers above 2**52
        low, high = low - half, high + half
    return Axis(low, high, LEFT, RIGHT)


def _description(line: Line) -> str:
    count, first, last = len(line.points), line.points[0][1], line.points[-1][1]
    return f"{line.name}: {count} points, first {first:.4g}, last {last:.4g}"


def _y_rules(axis: Axis, values: Sequence[float]) -> Iterator[Markup]:
    step = values[1] - values[0]
    for value in values:
        y = axis.position(value)
        yield Markup('<path class="rule" d="M{} {}H{}"/>').format(LEFT, y, RIGHT)
        yield label(LEFT - 6, y + 4, tick_label(value, step), "end")


def _x_marks(axis: Axis) -> Iterator[Markup]:
    values = ticks(axis.low, axis.high)
    step = values[1] - values[0]
    for value in values:
        if axis.low <= value <= axis.high:
            x = axis.position(value)
            yield Markup('<path class="rule" d="M{} {}v5"/>').format(x, BOTTOM)
            yield label(x, BOTTOM + 18, tick_label(value, step), "middle")


def _path(line: Line, x_axis: Axis, y_axis: Axis) -> Markup:
    points = [(x_axis.position(x), y_axis.position(y)) for x, y in thinned(line.points)]
    if len(points) == 1:
        dot = Markup('<circle class="dot {}" r="3" cx="{}" cy="{}"/>')
        return dot.format(line.style, *points[0])
    corners = "L".join(f"{x} {y}" for x, y in points)
    return Markup('<path class="line {}" d="M{}"/>').format(line.style, corners)
