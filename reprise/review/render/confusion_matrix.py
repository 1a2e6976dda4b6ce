"""Draw a confusion matrix of one side, as SVG."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from reprise.review.render.svg import RIGHT, WIDTH, label, svg
from reprise.text.values import single_line

LEFT, TOP = 72, 20  # of the cells, in pixels
NAME = 9  # characters of a class
DIGIT = 6  # pixels
LARGEST = 60  # pixels of a cell
FULL = 0.5  # opacity of a cell with all rows of its class: its number has to be read


def confusion_matrix(
    title: str,
    classes: Sequence[str],
    counts: Sequence[Sequence[int]],
    other: Sequence[Sequence[int]],
) -> Markup:
    """Draw how many rows of each class were predicted as which.

    counts: rows, [class][predicted class]; other: those of the other side; cells that differ from
    it have a frame. Cells are the fuller the larger the share of their class.
    """
    size = min((RIGHT - LEFT) / len(classes), LARGEST)
    right = LEFT + len(classes) * size
    names = [single_line(name, NAME) for name in classes]
    parts = [label((LEFT + right) / 2, 12, "predicted", "middle")]
    for row, name in enumerate(names):
        top = TOP + row * size
        parts.append(label(LEFT - 6, round(top + size / 2 + 4, 1), name, "end"))
        parts += _row(row, counts[row], other[row], size)
    bottom = TOP + len(classes) * size
    if len(classes) * max(map(len, names)) * 7 < right - LEFT:  # pixels of a character
        for column, name in enumerate(names):
            parts.append(label(round(LEFT + (column + 0.5) * size, 1), bottom + 14, name, "middle"))
        bottom += 16
    return svg(WIDTH, round(bottom + 4), title, _description(classes, counts), parts)


def _row(row: int, counts: Sequence[int], other: Sequence[int], size: float) -> Iterator[Markup]:
    """Draw the cells of one class."""
    total = max(sum(counts), 1)
    top = TOP + row * size
    for column, count in enumerate(counts):
        left = LEFT + column * size
        style = "wrong"
        if row == column:
            style = "right"
        if count != other[column]:
            style += " moved"
        cell = Markup(
            '<rect class="cell {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"'
            ' fill-opacity="{:.2f}"/>'
        )
        inner = size - 2
        opacity = FULL * count / total
        yield cell.format(style, left + 1, top + 1, inner, inner, opacity)
        if count and DIGIT * len(str(count)) <= inner:
            x, y = round(left + size / 2, 1), round(top + size / 2 + 4, 1)
            yield label(x, y, str(count), "middle", small=True)


def _description(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Write the rows of each class that were predicted rightly, for readers who see no cells."""
    facts = []
    for index, name in enumerate(classes):
        right, total = counts[index][index], sum(counts[index])
        facts.append(f"{single_line(name)}: {right} of {total} right")
    return "; ".join(facts)
