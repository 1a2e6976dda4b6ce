"""Fixtures that tests of the forges, of reviews and of retraining share."""

from collections.abc import Iterator

import pytest

from tests.reprise.stand_in import StandIn, serving


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """Serve a stand-in of the APIs of GitHub and GitLab."""
    with serving() as stand_in:
        yield stand_in
