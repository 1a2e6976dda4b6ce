"""Puts the tables of both sides into the order of the pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reprise.review.declared import PredictionsSpec
from reprise.review.stats.estimate import Array
from reprise.review.stats.pairing import pair_rows
from reprise.review.stats.prediction_arrays import load_arrays
from reprise.review.stats.text_columns import class_labels


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
    ids = predictions.old.ids.take(pa.array(predictions.old_rows))
    return AlignedTables(
        [_take(table, ids, spec) for table in old],
        [_take(table, ids, spec) for table in new],
        predictions.group,
    )


def _take(table: pa.Table, ids: Any, spec: PredictionsSpec) -> pa.Table:
    own = table[spec.id].cast(ids.type).combine_chunks()
    return table.take(pc.index_in(ids, value_set=own))
