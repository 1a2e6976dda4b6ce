"""Translate what ends a flow before its end into what Prefect knows."""

import contextlib
import signal
from collections.abc import Iterator

from prefect.exceptions import TerminationSignal

from reprise.dvc import dvc_boundary
from reprise.process.signals import Interrupted


@contextlib.contextmanager
def prefect_endings() -> Iterator[None]:
    """Raise TerminationSignal when Prefect cancels the flow, and one line for an error of DVC."""
    try:
        with dvc_boundary():
            yield
    except Interrupted as e:
        if e.number == signal.SIGTERM:  # which Prefect sends to cancel a flow run
            raise TerminationSignal(signal=e.number) from None
        raise
