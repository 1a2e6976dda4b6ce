"""What the artifacts of a run say, without a server."""

from typing import Any

import pytest

from reprise.flows.artifacts import difference

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (0.625, 0.9, "+0.275"),  # and not +0.28, beside these two
        (0.9367, 0.9346, "−0.0021"),
        (0.1, 0.3, "+0.2"),
        (1, 2, "+1"),
        (123456, 123457, "+1"),
        (0.5, 0.5, "0"),
        (None, 0.5, "–"),
        ("a", "b", "–"),
        (True, 0.5, "–"),
        (float("nan"), 0.5, "–"),
    ],
)
def test_a_difference_is_that_of_the_values_beside_it(old: Any, new: Any, expected: str) -> None:
    assert difference(old, new) == expected
