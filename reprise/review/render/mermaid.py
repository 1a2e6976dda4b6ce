"""Curves as charts that GitHub draws: Mermaid, in Markdown."""

import re
from decimal import Decimal

from reprise.review.curves import Curve, Point
from reprise.review.render.markdown_text import text
from reprise.review.render.wording import CELL, side
from reprise.review.report import Report

POINTS = 60  # a line; more are thinned out


def mermaid(curve: Curve, report: Report) -> str:
    """A chart that GitHub draws. Its axis is even, so both lines have the x of both sides in common."""
    old, new = _common(curve.old, curve.new)
    lines = [line for line in (old, new) if line]
    xs = [x for x, _ in lines[-1]]
    colours = ", ".join(c for c, line in (("#8b949e", old), ("#2f81f7", new)) if line)
    drawn = [f"    line [{', '.join(_decimal(y) for _, y in line)}]" for line in lines]
    theme = (
        f'%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{colours}"}}}}}}}}%%'
    )
    axes = [
        f'    x-axis "{_label(curve.x)}" {_decimal(xs[0])} --> {_decimal(xs[-1])}',
        f'    y-axis "{_label(curve.field)}"',
    ]
    chart = [
        theme,
        "xychart-beta",
        f'    title "{_label(curve.title)}: {_label(curve.field)}"',
        *axes,
        *drawn,
    ]
    names = [f"grey: {text(side(report.old))}"] * bool(old) + [
        f"blue: {text(side(report.new))}"
    ] * bool(new)
    return "```mermaid\n" + "\n".join(chart) + "\n```\n\n" + ", ".join(names)


def _decimal(value: float) -> str:
    """Mermaid knows no exponents."""
    return format(Decimal(f"{value:.5g}"), "f")


def _label(said: str) -> str:
    return re.sub(r"[^\w .,()/-]", " ", said)[:CELL].strip() or "unnamed"


def _common(old: list[Point], new: list[Point]) -> tuple[list[Point], list[Point]]:
    """Both lines at the xs that both have, thinned out to POINTS; a side without points stays so."""
    if not old or not new:
        return _thinned(old), _thinned(new)
    both = {x for x, _ in old} & {x for x, _ in new}
    if len(both) < 2:
        return [], _thinned(new)
    return _thinned([p for p in old if p[0] in both]), _thinned([p for p in new if p[0] in both])


def _thinned(line: list[Point]) -> list[Point]:
    step = -(-len(line) // POINTS) or 1
    return line[::step]
