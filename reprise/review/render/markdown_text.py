"""Write cells, tables and folds of Markdown, in which whatever data says is inert."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from reprise.review.render.values import CELL, NO_VALUE, single_line

ROWS = 20  # of a table outside the folded part
HEX = r"(?!.*\b[0-9a-f]{7,})"  # GitHub takes it for a commit, and GH-1 for an issue
PLAIN = re.compile(rf"{HEX}(?:[A-Za-z][A-Za-z0-9]*([_ ][A-Za-z0-9]+)*|[−+-]?[0-9.,]+)")


def escaped(value: Any, limit: int = CELL) -> str:
    """Write a value as a code span, in which no Markdown, HTML, mention or link comes alive.

    Plain words and numbers stay as they are.
    """
    text = single_line(value, limit)
    if not text:
        return "_empty_"
    if text == NO_VALUE or PLAIN.fullmatch(text):
        return text
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], limit: int = ROWS) -> str:
    """Write a table of the first `limit` rows, and say how many more there are.

    No rows make no table.
    """
    listed = list(rows)
    if not listed:
        return ""
    lines = [header, ["---"] * len(header), *listed[:limit]]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    hidden = len(listed) - limit
    if hidden <= 0:
        return text
    return f"{text}\n\nand {hidden} more"


def folded(title: str, content: str) -> str:
    """Write content that a reader unfolds by a click. No content makes no fold."""
    if not content:
        return ""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"
