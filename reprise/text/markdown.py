"""Writes the parts of Markdown, in which whatever data says is inert.

Nothing that data says is put into Markdown but through this file: a value by `escaped`, a sentence
that may hold values by `sentence`, lines as they are by `code_block`. Where a forge renders no
Markdown, and yet looks for names and references, it goes through `plain_words`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from reprise.text.values import CELL, NO_VALUE, single_line

MARKER = "<!-- reprise report -->"  # by which a workflow finds the comment that it updates
ROWS = 20  # of a table outside the folded part
SENTENCE = 400  # characters
HEX = r"(?!.*\b[0-9a-fA-F]{7,}\b)"  # GitHub takes it for a commit, and GH-1 for an issue
NUMBER = r"[−+-]?[0-9]+(?:[.,][0-9]+)*"  # "1." would begin a list
PLAIN = re.compile(rf"{HEX}(?:[A-Za-z][A-Za-z0-9]*([_ ][A-Za-z0-9]+)*|{NUMBER})")
BACKTICKS = re.compile("`{20,}")  # forges count them to 80 in a line, and to 255 in a fence
# A word of a sentence: a number, a word with the punctuation after it, or a sign of ours.
PLAIN_WORD = re.compile(
    rf"{HEX}\(?(?:{NUMBER}(?:e[+-]?[0-9]+)?%?[,;:]?|[^\W\d_][^\W_]*(?:['_][^\W_]+)*[,.;:)]*|[→–%=])"
)


def escaped(value: Any, limit: int = CELL) -> str:
    """Write a value as a code span, in which no Markdown, HTML, mention or link comes alive.

    Plain words and numbers stay as they are.
    """
    text = single_line(value, limit)
    if not text:
        return "_empty_"
    if text == NO_VALUE or PLAIN.fullmatch(text):
        return text
    return _code_span(text)


def sentence(text: str, limit: int = SENTENCE) -> str:
    """Write a sentence of ours that may hold what data says: words that aren't plain are code."""
    return " ".join(map(_inert_word, single_line(text, limit).split()))


def _inert_word(word: str) -> str:
    """Write a word as it is, or as code; the punctuation after it stands behind the code."""
    if PLAIN_WORD.fullmatch(word):
        return word
    stem = word.rstrip(",;:")
    if not stem:
        return _code_span(word)
    return _code_span(stem) + word[len(stem) :]


def plain_words(text: str, limit: int = CELL) -> str:
    """Leave letters, digits, and the punctuation between words: a title or a commit's message.

    Forges look for mentions, references and links there too, and a code span does not stop them.
    """
    words = re.sub(r"[^\w ,;:.]|[,;:](?=\S)|(?<!\d)\.(?=\S)", " ", single_line(text, limit))
    return " ".join(words.split())


def code_block(text: str, language: str = "") -> str:
    """Write lines as they are, in a fence that they can't close."""
    lines = BACKTICKS.sub("…", text)
    fence = _fence(lines, 3)
    return f"{fence}{language}\n{lines}\n{fence}"


def _code_span(text: str) -> str:
    content = BACKTICKS.sub("…", text)
    if "`" in (content[0], content[-1]):
        content = f" {content} "
    fence = _fence(content, 1)
    return f"{fence}{content}{fence}"


def _fence(text: str, shortest: int) -> str:
    """Return more backticks than stand together anywhere in the text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(longest + 1, shortest)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], limit: int = ROWS) -> str:
    """Write a table of the first `limit` rows, and say how many more there are.

    No rows make no table.
    """
    listed = list(rows)
    if not listed:
        return ""
    lines = [_row(header), _row(["---"] * len(header)), *map(_row, listed[:limit])]
    text = "\n".join(lines)
    hidden = len(listed) - limit
    if hidden <= 0:
        return text
    return f"{text}\n\nand {hidden} more"


def _row(cells: Sequence[str]) -> str:
    """Write a row. A pipe ends a cell also within a code span, unless a backslash is before it."""
    inner = " | ".join(cell.replace("|", "\\|") for cell in cells)
    return f"| {inner} |"


def folded(title: str, content: str) -> str:
    """Write content that a reader unfolds by a click. No content makes no fold."""
    if not content:
        return ""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"
