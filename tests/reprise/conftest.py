"""Fixtures that tests of the forges, of reviews and of retraining share."""

from collections.abc import Iterator

import pytest

from tests.reprise.s3 import serving_s3
from tests.reprise.stand_in import StandIn, serving


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """Serve a stand-in of the APIs of GitHub and GitLab."""
    with serving() as stand_in:
        yield stand_in


@pytest.fixture
def s3() -> Iterator[str]:
    """Serve a bucket named store, and return the server's address."""
    with serving_s3() as address:
        yield address
