"""Keep a group's limit between flow runs, by a global concurrency limit of Prefect."""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.services import ConcurrencySlotAcquisitionWithLeaseService
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

from reprise.flows.mailbox import POLL
from reprise.flows.messages import StageMailbox
from reprise.git import redacted

if TYPE_CHECKING:
    from reprise.dvc import Stage  # DVC is slow to import, and a Dask worker needs none

PAUSE = 1.0  # seconds between requests for a slot


def limit_name(project: str, group: str) -> str:
    """Return the name of the group's global concurrency limit."""
    return f"{project}-{group}"


def create_limits(project: str, stages: "Sequence[Stage]") -> None:
    """Create a limit for each group: it holds for all clones of the project, by its name.

    One that is there stays as it is, since it may have been set in Prefect's page. The limit of
    dvc.yaml holds within the run all the same.
    """
    limits: dict[str, int] = {}
    for stage in stages:
        group = stage.settings.group
        if group is not None:
            limit = stage.settings.limit
            limits[group] = min(limit, limits.get(group, limit))
    if limits:
        with get_client(sync_client=True) as client:
            for group, limit in limits.items():
                _create_limit(client, limit_name(project, group), limit)


def _create_limit(client: SyncPrefectClient, name: str, limit: int) -> None:
    with contextlib.suppress(ObjectAlreadyExists):
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=limit))
    limit_there = client.read_global_concurrency_limit_by_name(name).limit
    if limit_there != limit:
        get_run_logger().warning(
            "concurrency limit %s: found %d in Prefect, %d in dvc.yaml; both hold",
            name,
            limit_there,
            limit,
        )


@contextlib.contextmanager
def hold_slot(limit: str | None, mailbox: StageMailbox) -> Iterator[None]:
    """Wait for a slot of the limit, and hold it. Goes on without one when a signal comes.

    Raises ConcurrencySlotAcquisitionError when the limit or the server is gone. A server that goes
    later is a warning.
    """
    with ExitStack() as slot:
        if limit is not None:
            _acquire(slot, limit, mailbox)
        yield
        _release(slot)


def _acquire(slot: ExitStack, limit: str, mailbox: StageMailbox) -> None:
    logging.getLogger("prefect._internal.concurrency").addFilter(_is_not_of_a_full_limit)
    while mailbox.signal() is None:
        try:
            slot.enter_context(
                concurrency(limit, max_retries=0, strict=True, raise_on_lease_renewal_failure=False)
            )
            return
        except ConcurrencySlotAcquisitionError as e:
            if not _is_full(e):
                raise
        _pause(mailbox)


def _is_full(error: ConcurrencySlotAcquisitionError) -> bool:
    """Tell whether the server answered that all slots are taken."""
    cause = error.__cause__
    if not isinstance(cause, httpx.HTTPStatusError):
        return False
    return cause.response.status_code == httpx.codes.LOCKED


def _is_not_of_a_full_limit(record: logging.LogRecord) -> bool:
    """Drop the error that Prefect logs when no slot is free. Others are raised as well."""
    return ConcurrencySlotAcquisitionWithLeaseService.__name__ not in (record.args or ())


def _pause(mailbox: StageMailbox) -> None:
    end = time.monotonic() + PAUSE
    while time.monotonic() < end and mailbox.signal() is None:
        mailbox.check_runner()
        time.sleep(POLL)


def _release(slot: ExitStack) -> None:
    try:
        slot.close()
    except httpx.HTTPError as e:
        get_run_logger().warning(
            "the group's slot could not be given back, and is free in five minutes: %s",
            redacted(str(e)),
        )
