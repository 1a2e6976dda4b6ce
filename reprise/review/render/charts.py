"""Charts of lines and of intervals: pure functions from numbers to markup. The page's style colours them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reprise.review.curves import Point
from reprise.review.render.svg import RIGHT, WIDTH, Axis, svg, text

HEIGHT = 210  # of a line chart
LEFT, TOP, BOTTOM = 48, 10, 172
POINTS = 200  # of a line; more are thinned out
HUGE = 1e300  # a loss that went to the end of floats would make a span that is infinite
TINY, FLAT = 1e-280, 1e-12  # a span that rounding alone could make is none


@dataclass(frozen=True)
class Line:
    """side: old or new, which the style draws by."""

    side: str
    name: str
    points: list[Point]


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
    parts.append(text((LEFT + RIGHT) / 2, HEIGHT - 4, x, "middle"))
    said = "; ".join(_told(line) for line in drawn)
    return svg(WIDTH, HEIGHT, title, f"{y} by {x}. {said}", parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    return max(min(values), -HUGE), min(max(values), HUGE)


def _told(line: Line) -> str:
    first, last = line.points[0], line.points[-1]
    return f"{line.name}: {len(line.points)} points, first {first[1]:.4g}, last {last[1]:.4g}"


def _rules(values: Sequence[float], up: Axis) -> Iterable[Markup]:
    for value in values:
        yield Markup('<path class="rule" d="M{} {}H{}"/>').format(LEFT, up.at(value), RIGHT)
        yield text(
            LEFT - 6, float(up.at(value)) + 4, tick_label(value, values[1] - values[0]), "end"
        )


def _marks(ends: tuple[float, float], across: Axis) -> Iterable[Markup]:
    values = ticks(*ends)
    for value in values:
        if ends[0] <= value <= ends[1]:
            yield Markup('<path class="rule" d="M{} {}v5"/>').format(across.at(value), BOTTOM)
            yield text(
                float(across.at(value)),
                BOTTOM + 18,
                tick_label(value, values[1] - values[0]),
                "middle",
            )


def _path(line: Line, across: Axis, up: Axis) -> Markup:
    at = [f"{across.at(x)} {up.at(y)}" for x, y in thinned(line.points)]
    if len(at) == 1:
        return Markup('<circle class="dot {}" r="3" cx="{}" cy="{}"/>').format(
            line.side, *at[0].split()
        )
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


def interval_plot(
    title: str, low: float, high: float, at: float, margin: float | None, verdict: str
) -> Markup:
    """The interval of a difference around 0, and the differences that are too small to matter as a band."""
    half = max(abs(low), abs(high), abs(at), margin or 0) * 1.1 or 1
    across = Axis(-half, half, 4, 136)
    parts = []
    if margin is not None:
        left, right = across.at(-margin), across.at(margin)
        width = f"{float(right) - float(left):.1f}"
        parts.append(
            Markup('<rect class="margin" x="{}" y="2" width="{}" height="24"/>').format(left, width)
        )
    parts.append(Markup('<path class="zero" d="M{} 2v24"/>').format(across.at(0)))
    ends = (across.at(low), across.at(high))
    parts.append(
        Markup('<path class="whisker {0}" d="M{1} 9v10M{1} 14H{2}M{2} 9v10"/>').format(
            verdict, *ends
        )
    )
    parts.append(
        Markup('<circle class="dot {}" r="4" cx="{}" cy="14"/>').format(verdict, across.at(at))
    )
    return svg(140, 28, title, "", parts)
