"""Charts of how rows are distributed, old beside new: pure functions from counts to markup."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from reprise.review.render.svg import RIGHT, WIDTH, Axis, svg, text

GAP = 0.4  # between a bin and one that stands apart, of a bin's width
LABEL = 16  # characters of a category


def histogram(title: str, edges: Sequence[float], old: Sequence[int], new: Sequence[int]) -> Markup:
    """Shares of rows by bin, new as areas and old as an outline; edges: one more than there are counts.

    Bins are of one width, but for outer ones that hold a long tail: these stand apart, with their range in words.
    """
    shares, first, last = (_shares(old), _shares(new)), _is_tail(edges, 0), _is_tail(edges, -1)
    up = Axis(0, max(map(max, shares)) or 1, 100, 6)
    places = _places(len(old), first, last)
    outlines = [_outline(of, places, up) for of in shares]
    parts = [
        Markup('<path class="area new" d="{}Z"/>').format(outlines[1]),
        Markup('<path class="line old" d="{}"/>').format(outlines[0]),
        Markup('<path class="rule" d="M4 100H{}"/>').format(RIGHT),
    ]
    end = len(edges) - 1 - last
    middle = (first + end + 1) // 2
    for edge, place, anchor in (
        (first, places[first][0], "middle" if first else "start"),
        (middle, places[middle - 1][1], "middle"),
        (end, places[end - 1][1], "middle" if last else "end"),
    ):
        parts.append(text(float(place), 116, _edge(edges[edge]), anchor))
    if first:
        parts.append(text(4, 132, f"first bar: {_edge(edges[0])} to {_edge(edges[1])}", "start"))
    if last:
        parts.append(text(RIGHT, 132, f"last bar: {_edge(edges[-2])} to {_edge(edges[-1])}", "end"))
    return svg(
        WIDTH, 136 if first or last else 120, title, _by_bin(map(_edge, edges), *shares), parts
    )


def _is_tail(edges: Sequence[float], end: Literal[0, -1]) -> bool:
    """Whether the first or last bin has another width than its neighbour."""
    widths = [b - a for a, b in pairwise(edges)]
    return len(widths) > 2 and not math.isclose(
        widths[end], widths[1 if end == 0 else -2], rel_tol=1e-6
    )


def _places(count: int, first: bool, last: bool) -> list[tuple[str, str]]:
    """The left and right side of each bin, in pixels."""
    columns = Axis(0, count + GAP * (first + last), 4, RIGHT)
    lefts = [n + GAP * (first and n > 0) + GAP * (last and n == count - 1) for n in range(count)]
    return [(columns.at(left), columns.at(left + 1)) for left in lefts]


def _outline(shares: Sequence[float], places: Sequence[tuple[str, str]], up: Axis) -> str:
    """Stairs, down to the ground where bins stand apart."""
    at, drawn = places[0][0], "M4 100"
    for share, (left, right) in zip(shares, places, strict=True):
        drawn += ("" if left == at else f"V100H{left}") + f"V{up.at(share)}H{right}"
        at = right
    return f"{drawn}V100"


def categories(title: str, values: Sequence[str], old: Sequence[int], new: Sequence[int]) -> Markup:
    """Shares of rows by value, a bar of each side."""
    shares = (_shares(old), _shares(new))
    across = Axis(0, max(map(max, shares)) or 1, 0, 180)
    parts = []
    for n, value in enumerate(values):
        top = 30 * n + 4
        short = value if len(value) <= LABEL else f"{value[: LABEL - 1]}…"
        parts.append(text(114, top + 16, short, "end"))
        for row, (side, of) in enumerate(zip(("old", "new"), shares, strict=True)):
            place = (side, top + 11 * row, across.at(of[n]))
            parts.append(
                Markup('<rect class="bar {}" x="120" y="{}" width="{}" height="10"/>').format(
                    *place
                )
            )
            end = 124 + float(across.at(of[n]))
            parts.append(text(end, top + 9 + 11 * row, f"{of[n]:.1%}", "start", small=True))
    return svg(WIDTH, 30 * len(values) + 4, title, _by_bin(values, *shares), parts)


def _shares(counts: Sequence[int]) -> list[float]:
    whole = sum(counts) or 1
    return [count / whole for count in counts]


def _edge(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _by_bin(names: Iterable[str], old: Sequence[float], new: Sequence[float]) -> str:
    """For who can't see the bars."""
    return "; ".join(
        f"{name}: {a:.1%} old, {b:.1%} new" for name, a, b in zip(names, old, new, strict=False)
    )
