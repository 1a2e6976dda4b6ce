"""A command ends with its block, and all that is left of its group."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from reprise.process.commands import GRACE, Commands
from reprise.process.signals import Interrupted, after_signals, interruptible
from tests.reprise.runner.repository import is_gone_soon


@pytest.mark.parametrize("output", ["", ">/dev/null 2>&1"])
def test_a_child_that_outlives_its_parent_is_killed(output: str, tmp_path: Path) -> None:
    """Though it has the pipe, which its parent has left."""
    start = time.monotonic()
    command = ["sh", "-c", f"sleep 100 {output} & echo $!"]
    with Commands() as commands, commands.running(command, tmp_path, tmp_path / "note") as process:
        printed, _ = process.communicate()
    assert process.returncode == 0
    assert is_gone_soon(int(printed))
    assert time.monotonic() - start < 60
    assert not (tmp_path / "note").exists()


def test_a_group_that_cannot_be_noted_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-c", "import time; time.sleep(100)", str(tmp_path)]
    with (
        pytest.raises(OSError, match="file"),
        Commands() as commands,
        commands.running(command, tmp_path, tmp_path / "file" / "note"),
    ):
        raise AssertionError
    children = [child for child in psutil.Process().children() if child.status() != "zombie"]
    assert not [child for child in children if str(tmp_path) in child.cmdline()]


def test_a_second_signal_ends_the_waiting_for_the_first(tmp_path: Path) -> None:
    command = ["sh", "-c", "trap '' TERM; echo $$; sleep 100 & wait; sleep 100"]
    again = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    start = time.monotonic()
    pid = 0
    with (
        pytest.raises(Interrupted),
        interruptible(),
        Commands() as commands,
        commands.running(command, tmp_path, tmp_path / "note") as process,
    ):
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        again.start()
        os.kill(os.getpid(), signal.SIGTERM)
    assert time.monotonic() - start < GRACE
    assert is_gone_soon(pid)


def test_a_signal_waits_for_the_block(tmp_path: Path) -> None:
    done = False
    with pytest.raises(Interrupted) as caught, interruptible(), after_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        done = True
    assert done
    assert caught.value.number == signal.SIGTERM
