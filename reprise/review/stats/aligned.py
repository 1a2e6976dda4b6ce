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


@dataclass(frozen=True)
class AlignedTables:
    """Holds the tables of both sides, one a seed: row i of each is of pair i.

    group: a number for each pair, [pairs], or None.
    """

    old: list[pa.Table]
    new: list[pa.Table]
    group: Array | None


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
    own = pa.concat_arrays([chunk.cast(ids.type) for chunk in table[spec.id].chunks])
    return table.take(pc.index_in(ids, value_set=own))
