"""Lay out a table for a terminal, by the cells that characters take there."""

from collections.abc import Collection, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

GAP = 2  # cells between columns
NAME = 16  # cells that the first column keeps before others go


def columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Sequence[str],
    width: int,
    least: Collection[str] = (),
) -> list[Text]:
    """Lay out a table within `width` cells, with names on the left and numbers on the right.

    styles: of the last cell of each row; least: the columns that go, the first one first, where
    all would be too wide. Then names are cut. Without rows there are no lines.
    """
    if not rows:
        return []
    table = [list(header), *map(list, rows)]
    for title in least:
        names, *others = _widths(table)
        if min(names, NAME) + sum(others) <= width:
            break
        index = table[0].index(title)
        for row in table:
            del row[index]
    names, *others = _widths(table)
    widths = [max(min(names, width - sum(others)), 1), *others]
    lines = zip(table, ["dim", *styles], strict=True)
    return [_line(row, widths, style, width) for row, style in lines]


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    """Return the cells that each column takes, with the gap before it."""
    columns = list(zip(*table, strict=True))
    gaps = [0, *[GAP] * (len(columns) - 1)]
    return [gap + max(map(cell_len, cells)) for gap, cells in zip(gaps, columns, strict=True)]


def _line(row: Sequence[str], widths: Sequence[int], style: str, width: int) -> Text:
    """Write a row. A header is all of its style, another row in its last cell alone."""
    name, *numbers, last = row
    line = cut_middle(name, widths[0])
    line += " " * (widths[0] - cell_len(line))
    for number, cells in zip(numbers, widths[1:-1], strict=True):
        line += " " * (cells - cell_len(number)) + number
    line += " " * GAP
    whole = Text(cut(line + last, width))
    start = len(line)
    if style == "dim":
        start = 0
    whole.stylize(style, start)
    return whole


def cut(text: str, width: int) -> str:
    """Cut a text to `width` cells, and say by "…" that it goes on."""
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}…"


def cut_middle(name: str, width: int) -> str:
    """Cut a name to `width` cells in its middle: often its end alone tells it from others."""
    if cell_len(name) <= width:
        return name
    end = ""
    for character in reversed(name):
        if cell_len(character + end) > (width - 1) // 2:
            break
        end = character + end
    return cut(name, width - cell_len(end)) + end
