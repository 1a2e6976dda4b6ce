"""Shows what a function prints on a terminal."""

import os
import pty
import re
import threading
from collections.abc import Callable

import pytest


def shown_on_terminal(call: Callable[[], object], width: int, patch: pytest.MonkeyPatch) -> str:
    """Call the function with a terminal as stdout, and return what that got."""
    master, slave = pty.openpty()
    received: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(master, received))
    patch.setenv("COLUMNS", str(width))
    patch.setenv("TERM", "xterm-256color")
    with os.fdopen(slave, "w", encoding="utf-8") as stdout, patch.context() as inner:
        inner.setattr("sys.stdout", stdout)
        reader.start()
        call()
    reader.join()
    os.close(master)
    return b"".join(received).decode().replace("\r\n", "\n")


def _read_all(master: int, received: list[bytes]) -> None:
    """Read until nothing writes any more, which Linux tells by an error."""
    while True:
        try:
            received.append(os.read(master, 4096))
        except OSError:
            return


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)
