"""What tests of the runner, of reviews and of retraining share."""

from collections.abc import Iterator

import pytest

from tests.reprise.stand_in import StandIn, serving


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A stand-in of the APIs of GitHub and GitLab."""
    with serving() as made:
        yield made
