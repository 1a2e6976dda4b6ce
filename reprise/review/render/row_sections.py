"""Write what a report says of rows, classes and model files, the same in every format."""

import math

from reprise.review.changed_rows import ChangedRow, ChangedRows
from reprise.review.model_sizes import ModelSize
from reprise.review.predictions import ComparedPredictions
from reprise.review.stats.confused_classes import ConfusedClasses
from reprise.text.markdown import escaped, table
from reprise.text.values import NO_VALUE, number, number_pair, percent

PAIRS = 10  # of classes, in a table
UNITS = ["bytes", "kB", "MB", "GB"]
CONFUSED_HEADER = ["truth", "predicted", "old rows", "new rows", "beyond noise"]


def rows_title(compared: ComparedPredictions, rows: ChangedRows) -> str:
    """Say how many rows were fixed and broken, and by which trainings where there are more."""
    title = f"Rows: {rows.fixed} fixed, {rows.broken} broken"
    return f"{title}{recorded_alone(compared)}"


def recorded_alone(compared: ComparedPredictions) -> str:
    """Say that what is shown is of the recorded trainings, where verdicts are of several."""
    comparison = compared.comparison
    if max(comparison.seeds_old, comparison.seeds_new) == 1:
        return ""
    return ", by the recorded training of either side"


def rows_header(rows: ChangedRows) -> list[str]:
    """Name the columns of the table of rows that changed most."""
    return ["", "id", "truth", "old", "new", f"old {rows.name}", f"new {rows.name}"]


def row_cells(row: ChangedRow) -> list[str]:
    """Write id, truth, both predictions, and both values of the metric."""
    cells = [number(row.id), number(row.target)]
    cells.append(_prediction(row.old, row.old_confidence))
    cells.append(_prediction(row.new, row.new_confidence))
    return [*cells, *number_pair(row.old_value, row.new_value)]


def _prediction(value: object, confidence: float | None) -> str:
    """Write a prediction, and its probability where that is known."""
    if confidence is None:
        return number(value)
    return f"{number(value)} ({percent(confidence)})"


def row_table(rows: ChangedRows) -> str:
    """Write the rows that changed most, fixed ones first, in Markdown."""
    lines = []
    for kind, changed in (("fixed", rows.top_fixed), ("broken", rows.top_broken)):
        lines += [[kind, *map(escaped, row_cells(row))] for row in changed]
    return table(["", *map(escaped, rows_header(rows)[1:])], lines)


def confused_cells(change: ConfusedClasses) -> list[str]:
    """Write a pair of classes, its rows on both sides, and whether chance explains the change."""
    verdict = NO_VALUE
    if change.p_value is not None:
        verdict = "no"
    if change.is_beyond_noise:
        verdict = "fewer"
        if change.new > change.old:
            verdict = "more"
    return [change.target, change.prediction, f"{change.old:g}", f"{change.new:g}", verdict]


def confused_table(confused: list[ConfusedClasses]) -> str:
    """Write the pairs of classes whose rows changed most, in Markdown."""
    lines = [[*map(escaped, confused_cells(change))] for change in confused]
    return table(CONFUSED_HEADER, lines, PAIRS)


def size_sentence(model: ModelSize) -> str:
    """Write how large a model is, old and new, in as few digits as tell them apart."""
    old, new = _bytes(model.old), _bytes(model.new)
    if old == new:
        old, new = f"{model.old:,}", f"{model.new:,} bytes"
    return f"{model.path}: {old} → {new}"


def _bytes(size: int | None) -> str:
    """Write a size in three digits."""
    if size is None:
        return NO_VALUE
    unit = min(int(math.log10(max(size, 1)) / 3), len(UNITS) - 1)
    return f"{size / 1000**unit:.3g} {UNITS[unit]}"
