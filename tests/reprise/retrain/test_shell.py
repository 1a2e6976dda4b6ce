"""A command in a clone ends with all that it started, however it ends."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from reprise.forge.git_credentials import Login
from reprise.process.commands import GRACE
from reprise.process.signals import Interrupted
from reprise.retrain.checkout import Checkout
from reprise.retrain.shell import capture_command, run_command
from tests.reprise.runner.repository import is_gone_soon


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, "", Login(), tmp_path / "note")


def test_what_a_command_leaves_is_killed(checkout: Checkout) -> None:
    status, printed = capture_command(checkout, "sh", "-c", "sleep 100 & echo $!")
    assert status == 0
    assert is_gone_soon(int(printed))
    lines: list[str] = []
    run_command(checkout, lines.append, "sh", "-c", "sleep 100 & echo $!")
    assert is_gone_soon(int(lines[-1]))


def test_a_second_interrupt_leaves_nothing(checkout: Checkout) -> None:
    """The command ignores the first, and its children hold the pipe."""
    pids = []

    def interrupt(line: str) -> None:
        if line.isdigit():
            pids.append(int(line))
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
            os.kill(os.getpid(), signal.SIGTERM)

    start = time.monotonic()
    with pytest.raises(Interrupted):
        run_command(checkout, interrupt, "sh", "-c", "trap '' TERM INT; echo $$; sleep 100; :")
    assert time.monotonic() - start < GRACE
    assert is_gone_soon(pids[0])
    assert not checkout.group_note.exists()
