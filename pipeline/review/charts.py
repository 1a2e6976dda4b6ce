"""Small SVG charts: pure functions from numbers to markup. Colours and fonts are those of the page's style.

Whatever a label says is escaped: markup is only ever put together by `Markup.format`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from pipeline.review.curves import Point

WIDTH, HEIGHT = 360, 210  # of a line chart, in pixels of a phone
LEFT, RIGHT, TOP, BOTTOM = 48, 352, 10, 172
POINTS = 200  # of a line; more are thinned out
HUGE = 1e300  # a loss that went to the end of floats would make a span that is infinite
TINY, FLAT = 1e-280, 1e-12  # a span that rounding alone could make is none
GAP = 0.4  # between a bin and one that stands apart, of a bin's width
LABEL = 16  # characters of a category


@dataclass(frozen=True)
class Line:
    """side: old or new, which the style draws by."""

    side: str
    name: str
    points: list[Point]


@dataclass(frozen=True)
class Axis:
    """Maps values from low to high onto pixels from start to end; what lies outside is drawn at the end."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> str:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"{self.start + share * (self.end - self.start):.1f}"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, of which the first and last enclose low and high.

    Heckbert 1990, "Nice numbers for graph labels", Graphics Gems I.
    """
    low, high = max(low, -HUGE), min(high, HUGE)
    if high - low <= max(abs(low), abs(high), TINY) * FLAT:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    step = _step((high - low) / (most - 1))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [float(f"{n * step:.12g}") for n in range(first, last + 1)]


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough * (1 - 1e-9))


def tick_label(value: float, step: float) -> str:
    """In as many decimals as the step has."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    plain = decimals <= 5 and abs(value) < 1e6
    said = f"{value:.{decimals}f}" if plain else f"{value:.3g}"
    return "0" if value == 0 else said.replace("-", "−")


def line_chart(title: str, x: str, y: str, lines: Iterable[Line]) -> Markup:
    """lines: those without points are left out; one must have some."""
    drawn = [line for line in lines if line.points]
    xs = [p[0] for line in drawn for p in line.points]
    ys = ticks(*_range([p[1] for line in drawn for p in line.points]))
    ends = _range(xs) if min(xs) < max(xs) else (min(xs) - 0.5, min(xs) + 0.5)
    across, up = Axis(*ends, LEFT, RIGHT), Axis(ys[0], ys[-1], BOTTOM, TOP)
    parts = [*_rules(ys, up), *_marks(ends, across)]
    parts += [_path(line, across, up) for line in drawn]
    parts.append(_text((LEFT + RIGHT) / 2, HEIGHT - 4, x, "middle"))
    said = "; ".join(_told(line) for line in drawn)
    return _svg(WIDTH, HEIGHT, title, f"{y} by {x}. {said}", parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    return max(min(values), -HUGE), min(max(values), HUGE)


def _told(line: Line) -> str:
    first, last = line.points[0], line.points[-1]
    return f"{line.name}: {len(line.points)} points, first {first[1]:.4g}, last {last[1]:.4g}"


def _rules(values: Sequence[float], up: Axis) -> Iterable[Markup]:
    for value in values:
        yield Markup('<path class="rule" d="M{} {}H{}"/>').format(LEFT, up.at(value), RIGHT)
        yield _text(LEFT - 6, float(up.at(value)) + 4, tick_label(value, values[1] - values[0]), "end")


def _marks(ends: tuple[float, float], across: Axis) -> Iterable[Markup]:
    values = ticks(*ends)
    for value in values:
        if ends[0] <= value <= ends[1]:
            yield Markup('<path class="rule" d="M{} {}v5"/>').format(across.at(value), BOTTOM)
            yield _text(float(across.at(value)), BOTTOM + 18, tick_label(value, values[1] - values[0]), "middle")


def _path(line: Line, across: Axis, up: Axis) -> Markup:
    at = [f"{across.at(x)} {up.at(y)}" for x, y in thinned(line.points)]
    if len(at) == 1:
        return Markup('<circle class="dot {}" r="3" cx="{}" cy="{}"/>').format(line.side, *at[0].split())
    return Markup('<path class="line {}" d="M{}"/>').format(line.side, "L".join(at))


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """Of each run of points the lowest and highest, so that no spike is lost; and the last."""
    size = -(-2 * len(points) // most)
    if len(points) <= most:
        return [*points]
    kept = []
    for at in range(0, len(points), size):
        run = range(at, min(at + size, len(points)))
        kept += sorted({min(run, key=lambda i: points[i][1]), max(run, key=lambda i: points[i][1])})
    return [points[i] for i in dict.fromkeys([*kept, len(points) - 1])]


def interval_plot(title: str, low: float, high: float, at: float, margin: float | None, verdict: str) -> Markup:
    """The interval of a difference around 0, and the differences that are too small to matter as a band."""
    half = max(abs(low), abs(high), abs(at), margin or 0) * 1.1 or 1
    across = Axis(-half, half, 4, 136)
    parts = []
    if margin is not None:
        left, right = across.at(-margin), across.at(margin)
        width = f"{float(right) - float(left):.1f}"
        parts.append(Markup('<rect class="margin" x="{}" y="2" width="{}" height="24"/>').format(left, width))
    parts.append(Markup('<path class="zero" d="M{} 2v24"/>').format(across.at(0)))
    ends = (across.at(low), across.at(high))
    parts.append(Markup('<path class="whisker {0}" d="M{1} 9v10M{1} 14H{2}M{2} 9v10"/>').format(verdict, *ends))
    parts.append(Markup('<circle class="dot {}" r="4" cx="{}" cy="14"/>').format(verdict, across.at(at)))
    return _svg(140, 28, title, "", parts)


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
        parts.append(_text(float(place), 116, _edge(edges[edge]), anchor))
    if first:
        parts.append(_text(4, 132, f"first bar: {_edge(edges[0])} to {_edge(edges[1])}", "start"))
    if last:
        parts.append(_text(RIGHT, 132, f"last bar: {_edge(edges[-2])} to {_edge(edges[-1])}", "end"))
    return _svg(WIDTH, 136 if first or last else 120, title, _by_bin(map(_edge, edges), *shares), parts)


def _is_tail(edges: Sequence[float], end: Literal[0, -1]) -> bool:
    """Whether the first or last bin has another width than its neighbour."""
    widths = [b - a for a, b in pairwise(edges)]
    return len(widths) > 2 and not math.isclose(widths[end], widths[1 if end == 0 else -2], rel_tol=1e-6)


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
        parts.append(_text(114, top + 16, short, "end"))
        for row, (side, of) in enumerate(zip(("old", "new"), shares, strict=True)):
            place = (side, top + 11 * row, across.at(of[n]))
            parts.append(Markup('<rect class="bar {}" x="120" y="{}" width="{}" height="10"/>').format(*place))
            end = 124 + float(across.at(of[n]))
            parts.append(_text(end, top + 9 + 11 * row, f"{of[n]:.1%}", "start", small=True))
    return _svg(WIDTH, 30 * len(values) + 4, title, _by_bin(values, *shares), parts)


def _shares(counts: Sequence[int]) -> list[float]:
    whole = sum(counts) or 1
    return [count / whole for count in counts]


def _edge(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _by_bin(names: Iterable[str], old: Sequence[float], new: Sequence[float]) -> str:
    """For who can't see the bars."""
    return "; ".join(f"{name}: {a:.1%} old, {b:.1%} new" for name, a, b in zip(names, old, new, strict=False))


def _text(x: float, y: float, said: str, anchor: str, *, small: bool = False) -> Markup:
    place = Markup('<text x="{:g}" y="{:g}" text-anchor="{}"{}>').format(x, y, anchor, Markup(' class="s"') * small)
    return place + Markup("{}</text>").format(said)


def _svg(width: int, height: int, title: str, description: str, parts: Iterable[Markup]) -> Markup:
    told = Markup("<desc>{}</desc>").format(description) if description else Markup()
    opened = Markup('<svg viewBox="0 0 {} {}" role="img"><title>{}</title>').format(width, height, title)
    return opened + told + Markup().join(parts) + Markup("</svg>")
