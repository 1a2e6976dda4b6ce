"""Shorten lists in messages and reports."""

from collections.abc import Sequence


def shorten(texts: Sequence[str], limit: int, separator: str = ", ") -> str:
    """Join the texts, and say how many follow the first `limit`."""
    listed = separator.join(texts[:limit])
    hidden = len(texts) - limit
    if hidden <= 0:
        return listed
    return f"{listed} and {hidden} more"
