"""Draw curves as charts that GitHub draws in Markdown: Mermaid's XY chart."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from reprise.review.curves import Curve, Point
from reprise.review.render.wording import side_name
from reprise.review.report import Report, RevisionLabel
from reprise.text.markdown import escaped
from reprise.text.values import CELL

POINTS = 60  # a line; more are thinned out


@dataclass(frozen=True)
class _Line:
    colour: str
    colour_name: str
    side: RevisionLabel
    points: list[Point]


def mermaid(curve: Curve, report: Report) -> str:
    """Write the chart of a curve, and below it which colour is which side.

    Mermaid spreads the points of each line evenly over the x-axis, so lines of both sides have the
    x of both in common, and where these are uneven there is no chart: the text is empty. A side
    without points has no line; one side must have some.
    """
    old, new = _comparable(curve.old, curve.new)
    both = [
        _Line("#8b949e", "grey", report.old, _thinned(old)),
        _Line("#2f81f7", "blue", report.new, _thinned(new)),
    ]
    lines = [line for line in both if line.points]
    if not all(_is_even(line.points) for line in lines):
        return ""
    legend = [f"{line.colour_name}: {escaped(side_name(line.side))}" for line in lines]
    chart = "\n".join(_chart(curve, lines))
    return f"```mermaid\n{chart}\n```\n\n{', '.join(legend)}"


def _chart(curve: Curve, lines: Sequence[_Line]) -> list[str]:
    title, x_title, y_title = _label(curve.title), _label(curve.x), _label(curve.field)
    colours = ", ".join(line.colour for line in lines)
    theme = json.dumps({"themeVariables": {"xyChart": {"plotColorPalette": colours}}})
    points = lines[-1].points
    first_x, last_x = _decimal(points[0][0]), _decimal(points[-1][0])
    drawn = []
    for line in lines:
        values = ", ".join(_decimal(y) for _, y in line.points)
        drawn.append(f"    line [{values}]")
    return [
        f"%%{{init: {theme}}}%%",
        "xychart-beta",
        f'    title "{title}: {y_title}"',
        f'    x-axis "{x_title}" {first_x} --> {last_x}',
        f'    y-axis "{y_title}"',
        *drawn,
    ]


def _decimal(value: float) -> str:
    """Format five significant digits without an exponent, which Mermaid does not know."""
    return format(Decimal(f"{value:.5g}"), "f")


def _label(text: str) -> str:
    return re.sub(r"[^\w .,()/-]", " ", text)[:CELL].strip() or "unnamed"


def _comparable(old: list[Point], new: list[Point]) -> tuple[list[Point], list[Point]]:
    """Cut both lines to the x that they share; the old line goes where that leaves no line."""
    if not old or not new:
        return old, new
    shared = dict(old).keys() & dict(new).keys()
    if len(shared) < 2:
        return [], new
    return _cut(old, shared), _cut(new, shared)


def _cut(points: list[Point], xs: set[float]) -> list[Point]:
    return [(x, y) for x, y in points if x in xs]


def _is_even(points: list[Point]) -> bool:
    """Tell whether each point is as far right of the one before it as all are."""
    steps = np.diff([x for x, _ in points])
    return len(steps) == 0 or bool(steps[0] > 0 and np.allclose(steps, steps.mean(), rtol=1e-6))


def _thinned(points: list[Point]) -> list[Point]:
    step = math.ceil(len(points) / POINTS)
    return points[:: max(step, 1)]
