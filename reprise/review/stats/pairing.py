"""Pairs the rows of two revisions by id, and numbers the groups of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprise.review.stats.estimate import Array
from reprise.review.stats.prediction_arrays import PredictionArrays
from reprise.review.stats.units import count_units


@dataclass(frozen=True)
class PairedPredictions:
    """Holds the predictions of both revisions, and which rows are pairs.

    old_rows, new_rows: positions of pair i in either side's arrays, [pairs]; only_old, only_new:
    positions of rows that have no pair, [rows]; group: a number for each pair, that of its new row,
    [pairs].
    """

    old: PredictionArrays
    new: PredictionArrays
    old_rows: Array
    new_rows: Array
    only_old: Array
    only_new: Array
    group: Array | None

    @property
    def pairs(self) -> int:
        """Count the pairs."""
        return len(self.old_rows)

    @property
    def units(self) -> int:
        """Count what is drawn independently: the groups, or without groups the pairs."""
        return count_units(self.pairs, self.group)

    def values(self, column: str) -> tuple[Array, Array] | None:
        """Return the old and the new values of the pairs, [seeds, pairs] each.

        None if a side lacks the column.
        """
        if column not in self.old.values or column not in self.new.values:
            return None
        old = self.old.values[column][:, self.old_rows]
        new = self.new.values[column][:, self.new_rows]
        return old, new


def pair_rows(old: PredictionArrays, new: PredictionArrays) -> PairedPredictions:
    """Pair the rows of equal id."""
    matches = pc.index_in(old.ids, value_set=new.ids)
    is_paired = matches.is_valid().to_numpy(zero_copy_only=False)
    new_rows = matches.drop_null().to_numpy()
    is_only_new = np.ones(len(new.ids), bool)
    is_only_new[new_rows] = False
    return PairedPredictions(
        old=old,
        new=new,
        old_rows=np.flatnonzero(is_paired),
        new_rows=new_rows,
        only_old=np.flatnonzero(~is_paired),
        only_new=np.flatnonzero(is_only_new),
        group=number_groups(new.groups, new_rows),
    )


def number_groups(groups: Any | None, rows: Array) -> Array | None:
    """Return a number for each of the rows, [rows], equal for rows of one group.

    All numbers up to the highest are in use. None without groups.
    """
    if groups is None:
        return None
    numbers: Array = pc.dictionary_encode(groups.take(pa.array(rows))).indices.to_numpy()
    return numbers
