"""Takes the rows that all tables of both sides have, in one order."""

from typing import Any

import pyarrow as pa
import pytest

from reprise.review.declared import PredictionsSpec
from reprise.review.stats.aligned import align_tables

ACCURACY = {"accuracy": {"column": "correct", "better": "higher"}}


def side(ids: str, **more: Any) -> pa.Table:
    """Make a table of a row a letter, whose values tell the letter."""
    values = [ord(letter) for letter in ids]
    return pa.table({"id": [*ids], "correct": values, **more})


@pytest.mark.parametrize("chunks", [1, 3])
def test_each_seed_has_its_own_order_and_lacks_rows_of_its_own(chunks: int) -> None:
    old, new = [side("edcbaz"), side("abcdey")], [side("cadbex"), side("bdeac")]
    if chunks > 1:
        old = [pa.concat_tables([table.slice(at, 2) for at in (0, 2, 4)]) for table in old]
    aligned = align_tables(old, new, PredictionsSpec.model_validate({"metrics": ACCURACY}))
    for table in [*aligned.old, *aligned.new]:
        assert "".join(table["id"].to_pylist()) == "edcba"
        assert table["correct"].to_pylist() == [*map(ord, "edcba")]


def test_a_group_is_that_of_the_new_side_s_row() -> None:
    old = side("abc", group=["x", "x", "x"])
    new = side("czba", group=["u", "w", "u", "v"])
    second_seed = side("bac", group=["u", "v", "u"])
    spec = PredictionsSpec.model_validate({"metrics": ACCURACY, "group": "group"})
    aligned = align_tables([old], [new, second_seed], spec)
    assert aligned.group is not None
    first, second, third = aligned.group.tolist()  # of a, b and c
    assert second == third != first
