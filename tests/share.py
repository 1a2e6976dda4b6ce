"""Choose what the suite runs of cases that are many: the others are slow proofs."""

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(share: int, cases: Iterable[Any]) -> list[Any]:
    """Mark all cases as slow but one in `share` of them, beginning with the first."""
    marked = []
    for i, case in enumerate(cases):
        marked.append(case if i % share == 0 else pytest.param(case, marks=pytest.mark.slow))
    return marked
