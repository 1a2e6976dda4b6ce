"""Shorten lists in messages and reports, and count what is in them."""

from collections import Counter
from collections.abc import Iterable, Sequence


def count_each(values: Iterable[str]) -> str:
    """Say how often each value is there, in their order: "2 ran, 3 unchanged"."""
    counts = sorted(Counter(values).items())
    return ", ".join(f"{count} {value}" for value, count in counts)


def shorten(texts: Sequence[str], limit: int, separator: str = ", ") -> str:
    """Join the texts, and say how many follow the first `limit`."""
    listed = separator.join(texts[:limit])
    hidden = len(texts) - limit
    if hidden <= 0:
        return listed
    return f"{listed} and {hidden} more"
