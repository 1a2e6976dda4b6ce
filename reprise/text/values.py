"""Format single values as plain text on one line: numbers, differences, anything that data says."""

import math
from typing import Any, TypeGuard

NO_VALUE = "–"
CELL = 80  # characters of a value in a table


def number(value: Any, digits: int = 4) -> str:
    """Format a float in `digits` significant digits, and any other value in full."""
    if value is None:
        return NO_VALUE
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    size = f"{abs(value):.{digits}g}".replace("e-0", "e-").replace("e+0", "e+")
    if value < 0:
        return f"−{size}"
    return size


def number_pair(old: Any, new: Any) -> tuple[str, str]:
    """Format both values in as many digits as it takes to tell them apart."""
    for digits in (4, 6, 9, 17):
        pair = (number(old, digits), number(new, digits))
        if pair[0] != pair[1] or old == new:
            break
    return pair


def arrow(old: Any, new: Any) -> str:
    """Write "old → new", in as many digits as it takes to tell them apart."""
    return " → ".join(number_pair(old, new))


def signed(value: float, digits: int = 2) -> str:
    """Format a difference with its sign. NaN and infinity are no difference."""
    if not math.isfinite(value):
        return NO_VALUE
    if value == 0:
        return "0"
    sign = "+"
    if value < 0:
        sign = "−"
    return f"{sign}{abs(value):.{digits}g}"


def percentage_points(share: float, *, sign: bool = True) -> str:
    """Format a difference of proportions, 0.01 as 1 point. Those below 0.1 get a second decimal."""
    points = share * 100
    size = abs(points)
    decimals = 1
    if 0 < size < 0.1:
        decimals = 2
    text = f"{size:.{decimals}f}"
    if not sign or points == 0:
        return text
    if points < 0:
        return f"−{text}"
    return f"+{text}"


def percent(share: float, decimals: int = 0) -> str:
    """Format a proportion in percent, 0.25 as "25 %"."""
    return f"{share * 100:.{decimals}f} %"


def format_seconds(seconds: float) -> str:
    """Format a time: `7.5 s`, `2 min 5 s`."""
    minutes, rest = divmod(seconds, 60)
    if minutes:
        return f"{int(minutes)} min {rest:.0f} s"
    return f"{seconds:.1f} s"


def single_line(value: Any, limit: int = CELL) -> str:
    """Write a value on one line, cut to `limit` characters.

    Characters that do not print, or that turn the text around them, are replaced.
    """
    text = "".join(map(_printable, number(value))).strip()
    if len(text) <= limit:
        return text
    return f"{text[: limit - 1]}…"


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    return "\ufffd"


def is_number(value: Any) -> TypeGuard[int | float]:
    """Tell numbers from texts, lists, None and, as YAML and JSON do, from booleans."""
    return isinstance(value, int | float) and not isinstance(value, bool)
