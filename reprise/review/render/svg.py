"""The parts that charts are drawn with. Whatever a label says is escaped: markup is only ever put together by
`Markup.format`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, RIGHT = 360, 352  # of a chart, in pixels of a phone; where drawing ends


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


def text(x: float, y: float, said: str, anchor: str, *, small: bool = False) -> Markup:
    """x, y: of its anchor, in pixels; anchor: start, middle or end."""
    place = Markup('<text x="{:g}" y="{:g}" text-anchor="{}"{}>').format(
        x, y, anchor, Markup(' class="s"') * small
    )
    return place + Markup("{}</text>").format(said)


def svg(width: int, height: int, title: str, description: str, parts: Iterable[Markup]) -> Markup:
    """The whole chart; title and description are for who can't see it."""
    told = Markup("<desc>{}</desc>").format(description) if description else Markup()
    opened = Markup('<svg viewBox="0 0 {} {}" role="img"><title>{}</title>').format(
        width, height, title
    )
    return opened + told + Markup().join(parts) + Markup("</svg>")
