"""Draw the parts that every chart is made of, as SVG.

Labels are escaped: markup is only ever put together by `Markup.format`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 360  # of a chart, in pixels of a phone
RIGHT = 352  # where drawing ends


@dataclass(frozen=True)
class Axis:
    """Maps values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def position(self, value: float) -> float:
        """Return the pixel of a value, to a tenth. Values outside the axis lie at its end."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def label(x: float, y: float, text: str, anchor: str, *, small: bool = False) -> Markup:
    """Draw a line of text at a pixel. anchor: start, middle or end, as SVG has it."""
    style = ""
    if small:
        style = Markup(' class="s"')
    return Markup('<text x="{:g}" y="{:g}" text-anchor="{}"{}>{}</text>').format(
        x, y, anchor, style, text
    )


def svg(width: int, height: int, title: str, description: str, parts: Iterable[Markup]) -> Markup:
    """Put a chart together. title, description: for readers who can't see it."""
    content = Markup("<title>{}</title>").format(title)
    if description:
        content += Markup("<desc>{}</desc>").format(description)
    content += Markup().join(parts)
    return Markup('<svg viewBox="0 0 {} {}" role="img">{}</svg>').format(width, height, content)
