"""Translate what ends a flow into what Prefect knows."""

import contextlib
import functools
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, TerminationSignal
from prefect.states import Cancelled, Failed

from reprise.dvc import dvc_boundary
from reprise.errors import PipelineError
from reprise.process.signals import Interrupted

P = ParamSpec("P")
OF_WORKER = "PREFECT__FLOW_RUN_ID"  # set in the process that a worker starts


class FlowCancelled(Interrupted, Abort):
    """Raised for a signal, once the flow run is Cancelled: to Prefect, that is settled then.

    state: the one that the flow run has.
    """

    def __init__(self, number: int, state: "State[Any]") -> None:
        super().__init__(number)
        self.state = state


@contextlib.contextmanager
def prefect_endings() -> Iterator[None]:
    """Cancel the flow run when a signal ends it, and make one line of an error of DVC.

    Left alone, Prefect would say that the flow run crashed, and then that it was cancelled, since
    it knows the signals that it sends by a handler of its own, in place of which we have ours.
    """
    try:
        with dvc_boundary():
            yield
    except Interrupted as e:
        _end_by(e.number)
        raise
    except TerminationSignal as e:
        _end_by(e.signal)
        raise
    except KeyboardInterrupt:
        _end_by(signal.SIGINT)
        raise


def _end_by(number: int) -> None:
    """End the flow run for a signal. Raises FlowCancelled, or what tells Prefect of a crash.

    A signal to the process of a worker is a crash, unless somebody cancels the flow run.
    """
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    state: State[Any] = Cancelled(message=f"ended by {signal.Signals(number).name}")
    with contextlib.suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        root = os.environ.get(OF_WORKER)
        if root is None:
            is_cancel = True
        else:
            asked_for = client.read_flow_run(UUID(root)).state
            is_cancel = asked_for is not None and (
                asked_for.is_cancelling() or asked_for.is_cancelled()
            )
        if is_cancel:
            client.set_flow_run_state(context.flow_run.id, state, force=True)
            raise FlowCancelled(number, state)
    if number == signal.SIGTERM:
        raise TerminationSignal(signal=number)


def fails_by_message(function: Callable[P, "State[Any]"]) -> Callable[P, "State[Any]"]:
    """Have a flow end Failed, with the error's line, for what a user can cause.

    Left alone, Prefect would log a traceback, and begin the line with its own words.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> "State[Any]":
        try:
            return function(*args, **kwargs)
        except PipelineError as e:
            return fail(e, str(e))

    return run


def fail(error: PipelineError, message: str) -> "State[Any]":
    """Make the state of a flow run that failed. message: for a reader of its page.

    Raises the error while Prefect may retry the flow: that it does for none that returns a state.
    """
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow is not None
    assert context.flow_run is not None
    if context.flow_run.run_count <= context.flow.retries:
        raise error
    return Failed(data=error, message=message)
