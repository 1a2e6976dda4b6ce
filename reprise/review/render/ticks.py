"""Choose round numbers for the ticks of an axis, and label them."""

import math

HUGE = 1e300  # a loss that went to the end of floats would make a span that is infinite
TINY = 1e-280  # as good as zero: half of a smaller number may be zero
FLAT = 1e-12  # a span smaller than this share of its values could be made by rounding alone


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers, of which the first and last enclose low and high.

    They are 1, 2 or 5 times a power of ten apart: Heckbert 1990, "Nice numbers for graph labels",
    Graphics Gems I.
    """
    low, high = clamped(low), clamped(high)
    if high - low <= max(abs(low), abs(high), TINY) * FLAT:
        low -= _room(low)
        high += _room(high)
    step = _round_step((high - low) / (count - 1))
    first = math.floor(low / step)
    last = math.ceil(high / step)
    return [float(f"{n * step:.15g}") for n in range(first, last + 1)]


def clamped(value: float) -> float:
    """Move a value to the end of what can be drawn, if it lies beyond."""
    return min(max(value, -HUGE), HUGE)


def _room(value: float) -> float:
    """Return how far an axis goes beyond values that are all the same."""
    size = abs(value)
    if size > TINY:
        return size / 2
    return 0.5


def _round_step(step: float) -> float:
    """Round up to 1, 2, 5 or 10 times a power of ten, with some slack for rounding errors."""
    power = 10.0 ** math.floor(math.log10(step))
    smallest = step * (1 - 1e-9)
    for factor in (1, 2, 5):
        if power * factor >= smallest:
            return power * factor
    return power * 10


def tick_label(value: float, step: float) -> str:
    """Format a tick in as many decimals as the step between ticks has."""
    if value == 0:
        return "0"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    has_exponent = decimals > 5 or abs(value) >= 1e6
    text = f"{value:.{decimals}f}"
    if has_exponent:
        text = f"{value:.3g}"
    return text.replace("-", "−")
