"""Name the states in which task runs and flow runs end, and make Prefect's states of them."""

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from reprise.described import DescribedEnum


class StateName(DescribedEnum):
    """Names the state in which a task run or a flow run ends, as Prefect shows it."""

    COMPLETED = "Completed", "its commands ran"
    RESTORED = "Restored", "the run-cache had its outs"
    UNCHANGED = "Unchanged", "it was up to date"
    FAILED = "Failed", "its commands, or what surrounds them, failed"
    TIMED_OUT = "TimedOut", "its commands took longer than its timeout"
    CANCELLED = "Cancelled", "the run was interrupted"


def make_state(name: StateName, message: str | None = None) -> "State[Any]":
    """Make the state that a task run ends in. message: what Prefect's page says beside it.

    To be called where and when the task run ends: the server drops a state that is older than the
    one of the attempt's start.
    """
    if name in (StateName.FAILED, StateName.TIMED_OUT):
        return Failed(name=name.value, message=message)
    if name is StateName.CANCELLED:
        return Cancelled(message=message)
    return Completed(name=name.value, message=message)
