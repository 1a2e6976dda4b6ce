"""A slot of a group's global concurrency limit, waited for and held where a signal of the runner is heard."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
from prefect import get_run_logger
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.services import ConcurrencySlotAcquisitionWithLeaseService
from prefect.concurrency.sync import concurrency

from reprise.flows.mailbox import POLL, Mailbox

PAUSE = 1.0  # seconds between looks for a free slot
FULL = 423  # what the server answers meanwhile


@contextmanager
def slot(group: str | None, box: Mailbox) -> Iterator[None]:
    """Waits for a slot, and goes on without one when the box has a signal; None: no slot is needed.

    Raises ConcurrencySlotAcquisitionError when the limit or the server is gone. A server that goes later is a warning.
    """
    with ExitStack() as held:
        if group is not None:
            _take(held, group, box)
        yield
        _give_back(held)


def _take(held: ExitStack, group: str, box: Mailbox) -> None:
    logging.getLogger("prefect._internal.concurrency").addFilter(_tells)
    while box.get("signal") is None:
        try:
            held.enter_context(
                concurrency(group, max_retries=0, strict=True, raise_on_lease_renewal_failure=False)
            )
            return
        except ConcurrencySlotAcquisitionError as e:
            if (
                not isinstance(e.__cause__, httpx.HTTPStatusError)
                or e.__cause__.response.status_code != FULL
            ):
                raise
        _pause(box)


def _tells(record: logging.LogRecord) -> bool:
    """False for the error that Prefect logs when a slot is not free; others are raised too."""
    return ConcurrencySlotAcquisitionWithLeaseService.__name__ not in (record.args or ())


def _pause(box: Mailbox) -> None:
    until = time.monotonic() + PAUSE
    while time.monotonic() < until and box.get("signal") is None:
        box.check()
        time.sleep(POLL)


def _give_back(held: ExitStack) -> None:
    try:
        held.close()
    except httpx.HTTPError as e:
        get_run_logger().warning(
            "the group's slot could not be given back, and is free in five minutes: %s", e
        )
