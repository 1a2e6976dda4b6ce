"""Puts the tables of both sides into the order of the pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from reprise.review.declared import PredictionsSpec
from reprise.review.stats.estimate import Array, is_zero_one
from reprise.review.stats.pairing import pair_rows
from reprise.review.stats.prediction_arrays import PredictionArrays, load_arrays
from reprise.review.stats.text_columns import class_labels

BITS = {16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}  # by the width of a float


@dataclass(frozen=True)
class AlignedTables:
    """Holds the tables of both sides, one a seed: row i of each is of pair i.

    group: a number for each pair, [pairs], or None.
    """

    old: list[pa.Table]
    new: list[pa.Table]
    group: Array | None

    def labels(self, spec: PredictionsSpec) -> "ClassLabels | None":
        """Return target and predictions as text; None where one of them is no class."""
        truths = class_labels(self.new[:1], spec.target)
        old = class_labels(self.old, spec.prediction)
        new = class_labels(self.new, spec.prediction)
        if truths and old and new:
            return ClassLabels(truths[0], old, new)
        return None

    def are_same(self, spec: PredictionsSpec) -> bool:
        """Tell whether each pair is the same on both sides, byte for byte, in all but its id.

        Not where nothing but right and wrong is declared: two models may err on the same rows.
        """
        first = self.old[0]
        if len(self.old) != len(self.new) or not len(first) or not _tells_predictions(first, spec):
            return False
        return all(map(partial(_are_equal, spec.id), self.old, self.new))


@dataclass(frozen=True)
class ClassLabels:
    """Holds the classes of the pairs, as pyarrow arrays of text, [pairs].

    truth: of the new side's first seed; old, new: the predictions, one a seed.
    """

    truth: Any
    old: list[Any]
    new: list[Any]


def align_tables(
    old: Sequence[pa.Table], new: Sequence[pa.Table], spec: PredictionsSpec
) -> AlignedTables:
    """Take the rows that all tables have, in one order. Raises as `load_arrays`."""
    predictions = pair_rows(*load_arrays(old, new, spec))
    return AlignedTables(
        _take(old, predictions.old, predictions.old_rows),
        _take(new, predictions.new, predictions.new_rows),
        predictions.group,
    )


def _take(tables: Sequence[pa.Table], predictions: PredictionArrays, rows: Array) -> list[pa.Table]:
    """Take these rows of the side's predictions from each of its tables."""
    taken = []
    for table, positions in zip(tables, predictions.positions, strict=True):
        taken.append(table.take(pa.array(positions[rows])))
    return taken


def _tells_predictions(table: pa.Table, spec: PredictionsSpec) -> bool:
    """Tell whether the table has what was predicted, or a metric of other values than 0 and 1."""
    columns = {metric.column for metric in spec.metrics.values()}
    for column in columns.intersection(table.column_names):
        values = table[column].cast(pa.float64(), safe=False).to_numpy()
        if not is_zero_one(values):
            return True
    return spec.prediction in table.column_names


def _are_equal(id_column: str, old: pa.Table, new: pa.Table) -> bool:
    """Tell whether two tables have the same columns, and in these the same bytes."""
    old, new = old.drop_columns([id_column]), new.drop_columns([id_column])
    if old.schema.names != new.schema.names:
        return False
    pairs = zip(old.columns, new.columns, strict=True)
    return all(_bytes_of(before).equals(_bytes_of(after)) for before, after in pairs)


def _bytes_of(column: Any) -> Any:
    """Return floats as whole numbers of the same bits, so that NaN is NaN, and 0 is not −0."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not pa.types.is_floating(column.type):
        return column
    bits = BITS[column.type.bit_width]
    return pa.chunked_array([chunk.view(bits) for chunk in column.chunks], bits)
