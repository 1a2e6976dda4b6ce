"""Cells, tables and folds of Markdown, in which whatever data says is inert."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from reprise.review.render.wording import CELL, NONE, plain

ROWS = 20  # of a table outside the folded part
HEX = r"(?!.*\b[0-9a-f]{7,})"  # GitHub takes it for a commit, and GH-1 for an issue
PLAIN = re.compile(rf"{HEX}(?:[A-Za-z][A-Za-z0-9]*([_ ][A-Za-z0-9]+)*|[−+-]?[0-9.,]+)")


def text(value: Any, most: int = CELL) -> str:
    """What data, params and git say, as a code span: no Markdown, HTML, mention or link in it comes alive."""
    said = plain(value, most)
    if said == NONE or PLAIN.fullmatch(said):
        return said
    if not said:
        return "_empty_"
    fence = "`" * (max((len(run) for run in re.findall("`+", said)), default=0) + 1)
    space = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{space}{said}{space}{fence}".replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], most: int = ROWS) -> str:
    listed = [*rows]
    lines = [head, ["---"] * len(head), *listed[:most]]
    more = f"\n\nand {len(listed) - most} more" if len(listed) > most else ""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + more


def folded(title: str, inside: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{inside}\n\n</details>" if inside else ""
