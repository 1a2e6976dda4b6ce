"""The words of a report, whatever format they stand in."""

import math
from typing import Any

import pytest

from reprise.review.change_state import ChangeState
from reprise.review.render.wording import unpaired_sentence, value_difference
from reprise.review.report import ValueChange
from tests.reprise.review.reports import common, metric


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (0.5, 0.75, "+0.25"),
        (3, 1, "−2"),
        (0.5, 0.5, "same"),
        (math.nan, math.nan, "same"),
        (math.inf, math.inf, "same"),
        (math.nan, 0.5, "–"),
        (0.5, math.inf, "–"),
        (None, 0.5, "–"),
        (0.5, None, "–"),
        (True, False, "–"),
        ("a", "a", "–"),
    ],
)
def test_the_difference_of_a_value(old: Any, new: Any, expected: str) -> None:
    assert (
        value_difference(ValueChange("metrics.json", "m", ChangeState.CHANGED, old, new))
        == expected
    )


def test_rows_that_did_not_pair() -> None:
    """A proportion is in points; without an interval nothing is said."""
    loss = common().compared[0].comparison.metrics[1]
    assert unpaired_sentence(loss) == "is 0.0921 → 0.0803 (95 % interval −0.0211 to −0.0025)."
    proportion = metric(unpaired=loss.unpaired)
    assert unpaired_sentence(proportion) == "is 0.0921 → 0.0803 (95 % interval −2.1 to −0.2 pp)."
    assert unpaired_sentence(metric()) is None
