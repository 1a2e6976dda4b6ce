"""Draw how rows are distributed, old beside new, as SVG."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from reprise.review.render.svg import RIGHT, WIDTH, Axis, label, svg
from reprise.text.values import percent, single_line

LEFT, TOP, GROUND = 4, 6, 100  # of a histogram's bars, in pixels
GAP = 0.4  # between a bin and one that stands apart, of a bin's width
NAME = 16  # characters of a category
STEP = 30  # pixels from one category to the next


@dataclass(frozen=True)
class _Tails:
    """Tells whether the first and the last bin hold a long tail: they are wider than others."""

    first: bool
    last: bool


def short_number(value: float) -> str:
    """Format three significant digits."""
    return f"{value:.3g}".replace("-", "−")


def histogram(
    title: str,
    edges: Sequence[float],
    old: Sequence[int],
    new: Sequence[int],
    write: Callable[[float], str] = short_number,
) -> Markup:
    """Draw shares of rows by bin, new ones as areas and old ones as an outline.

    edges: one more than there are counts; write: formats an edge. Bins are of one width, but for
    outer ones that hold a long tail: these stand apart, with their range in words.
    """
    names = list(map(write, edges))
    old_shares, new_shares = _shares(old), _shares(new)
    tails = _tails(edges)
    bars = _bars(len(old), tails)
    axis = Axis(0, max(*old_shares, *new_shares) or 1, GROUND, TOP)
    parts = [
        Markup('<path class="area new" d="{}Z"/>').format(_outline(new_shares, bars, axis)),
        Markup('<path class="line old" d="{}"/>').format(_outline(old_shares, bars, axis)),
        Markup('<path class="rule" d="M{} {}H{}"/>').format(LEFT, GROUND, RIGHT),
        *_edge_labels(names, bars, tails),
        *_tail_labels(names, tails),
    ]
    height = 120
    if tails.first or tails.last:
        height = 136
    description = _description(names, old_shares, new_shares)
    return svg(WIDTH, height, title, description, parts)


def _tails(edges: Sequence[float]) -> _Tails:
    widths = [right - left for left, right in pairwise(edges)]
    if len(widths) < 3:
        return _Tails(first=False, last=False)
    first = not math.isclose(widths[0], widths[1], rel_tol=1e-6)
    last = not math.isclose(widths[-1], widths[-2], rel_tol=1e-6)
    return _Tails(first, last)


def _bars(count: int, tails: _Tails) -> list[tuple[float, float]]:
    """Return the left and right side of each bin, in pixels."""
    axis = Axis(0, count + GAP * (tails.first + tails.last), LEFT, RIGHT)
    lefts = np.arange(count, dtype=float)
    lefts[1:] += GAP * tails.first
    lefts[-1:] += GAP * tails.last
    bars = []
    for left in lefts.tolist():
        bars.append((axis.position(left), axis.position(left + 1)))
    return bars


def _outline(shares: Sequence[float], bars: Sequence[tuple[float, float]], axis: Axis) -> str:
    """Return the path of stairs, which go down to the ground where bins stand apart."""
    path = f"M{LEFT} {GROUND}"
    previous_right = bars[0][0]
    for share, (left, right) in zip(shares, bars, strict=True):
        if left != previous_right:
            path += f"V{GROUND}H{left}"
        path += f"V{axis.position(share)}H{right}"
        previous_right = right
    return f"{path}V{GROUND}"


def _edge_labels(
    names: Sequence[str], bars: Sequence[tuple[float, float]], tails: _Tails
) -> Iterator[Markup]:
    """Label both ends and the middle of the bins that are no tail."""
    first = int(tails.first)
    last = len(names) - 1 - int(tails.last)
    middle = (first + last + 1) // 2
    first_anchor = "start"
    if tails.first:
        first_anchor = "middle"
    last_anchor = "end"
    if tails.last:
        last_anchor = "middle"
    y = GROUND + 16
    yield label(bars[first][0], y, names[first], first_anchor)
    yield label(bars[middle - 1][1], y, names[middle], "middle")
    yield label(bars[last - 1][1], y, names[last], last_anchor)


def _tail_labels(names: Sequence[str], tails: _Tails) -> Iterator[Markup]:
    y = GROUND + 32
    if tails.first:
        yield label(LEFT, y, f"first bar: {names[0]} to {names[1]}", "start")
    if tails.last:
        yield label(RIGHT, y, f"last bar: {names[-2]} to {names[-1]}", "end")


def category_bars(
    title: str, values: Sequence[str], old: Sequence[int], new: Sequence[int]
) -> Markup:
    """Draw shares of rows by value, a bar for each side."""
    old_shares, new_shares = _shares(old), _shares(new)
    axis = Axis(0, max(*old_shares, *new_shares) or 1, 0, 180)
    parts = []
    for index, value in enumerate(values):
        top = STEP * index + 4
        parts.append(label(114, top + 16, single_line(value, NAME), "end"))
        parts += _bar("old", old_shares[index], axis, top)
        parts += _bar("new", new_shares[index], axis, top + 11)
    height = STEP * len(values) + 4
    return svg(WIDTH, height, title, _description(values, old_shares, new_shares), parts)


def _bar(side: str, share: float, axis: Axis, top: int) -> Iterator[Markup]:
    width = axis.position(share)
    bar = Markup('<rect class="bar {}" x="120" y="{}" width="{}" height="10"/>')
    yield bar.format(side, top, width)
    yield label(124 + width, top + 9, percent(share, 1), "start", small=True)


def _shares(counts: Sequence[int]) -> list[float]:
    total = max(sum(counts), 1)
    return [count / total for count in counts]


def _description(names: Iterable[str], old: Sequence[float], new: Sequence[float]) -> str:
    """Write every share in words, for readers who can't see the bars. More names are left out."""
    bins = zip(names, old, new, strict=False)
    return "; ".join(f"{name}: {percent(a, 1)} old, {percent(b, 1)} new" for name, a, b in bins)
