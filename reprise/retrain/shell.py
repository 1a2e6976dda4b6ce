"""Runs commands in a checkout, each in a process group of its own."""

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from reprise.errors import PipelineError
from reprise.git import redacted
from reprise.process.commands import Commands
from reprise.process.signals import interruptible
from reprise.retrain.checkout import Checkout
from reprise.retrain.options import Echo

LAST_LINES = 8  # of a command's output, in an error


def capture_command(checkout: Checkout, *command: str) -> tuple[int, str]:
    """Run a command. Return its exit status and what it printed, without logins of addresses."""
    with _process(checkout, command) as process:
        output, _ = process.communicate()
    return process.returncode, redacted(output.strip())


def run_command(checkout: Checkout, echo: Echo, *command: str) -> None:
    """Run a command of DVC, and echo every line, without logins of addresses.

    Raises PipelineError with the errors that it logged when it fails.
    """
    lines = []
    echo(f"$ {shlex.join(command)}")
    with _process(checkout, command) as process:
        assert process.stdout is not None
        for output in process.stdout:
            line = redacted(output.rstrip("\n"))
            lines.append(line)
            echo(line)
        status = process.wait()
    if status != 0:
        name = " ".join(command[:2])
        raise PipelineError(f"{name}: failed: {_describe_failure(lines)}")


def _describe_failure(lines: list[str]) -> str:
    """Pick the errors that DVC logged, or else the last lines."""
    errors = []
    for line in lines:
        if line.startswith("ERROR: "):
            errors.append(line)
    last_lines = (errors or lines)[-LAST_LINES:]
    return "; ".join(filter(str.strip, last_lines))


@contextmanager
def _process(checkout: Checkout, command: tuple[str, ...]) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that the block's end, or an interrupt, ends."""
    with (
        interruptible(),
        Commands() as commands,
        commands.running(command, checkout.root, checkout.group_note) as process,
    ):
        yield process
