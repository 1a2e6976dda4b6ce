"""Draw the interval of a metric's difference, as SVG."""

from markupsafe import Markup

from reprise.review.render.svg import Axis, svg

WIDTH, HEIGHT = 140, 28  # in pixels
LEFT, RIGHT = 4, 136  # where drawing begins and ends


def interval_plot(
    title: str, low: float, high: float, difference: float, margin: float | None, style: str
) -> Markup:
    """Draw an interval around 0, over a band of the differences that are too small to matter.

    margin: half the width of that band; style: the verdict's class, which colours it.
    """
    largest = max(abs(low), abs(high), abs(difference), margin or 0)
    half = largest * 1.1 or 1
    axis = Axis(-half, half, LEFT, RIGHT)
    left, right = axis.position(low), axis.position(high)
    parts = [
        Markup('<path class="zero" d="M{} 2v24"/>').format(axis.position(0)),
        Markup('<path class="whisker {0}" d="M{1} 9v10M{1} 14H{2}M{2} 9v10"/>').format(
            style, left, right
        ),
        Markup('<circle class="dot {}" r="4" cx="{}" cy="14"/>').format(
            style, axis.position(difference)
        ),
    ]
    if margin is not None:
        parts.insert(0, _band(axis, margin))
    return svg(WIDTH, HEIGHT, title, "", parts)


def _band(axis: Axis, margin: float) -> Markup:
    left, right = axis.position(-margin), axis.position(margin)
    band = Markup('<rect class="margin" x="{}" y="2" width="{:.1f}" height="24"/>')
    return band.format(left, right - left)
