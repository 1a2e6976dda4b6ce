"""Preloaded into the Dask workers of this machine: Ctrl-C is for the runner, which then ends their commands."""

import signal
from typing import Any


def dask_setup(_worker: Any) -> None:
    """A handler, and not SIG_IGN, which the commands would inherit."""
    signal.signal(signal.SIGINT, lambda *_: None)
