"""What `make serve` refuses before it starts a server."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from reprise.errors import PipelineError
from reprise.flows.serve import check_port, describe_failure
from tests.conftest import ROOT
from tests.reprise.flows.prefect_server import free_port


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            PipelineError, match=f"--port: found {port} .*in use.*; expected a free port"
        ):
            check_port(port)
    check_port(port)


@pytest.mark.parametrize(
    ("stdout", "stderr", "message"),
    [
        ("Deploying\n╭──╮\n│ a │\n╰──╯", "", "Deploying"),
        ("Deploying", "no such pool\n", "no such pool"),
        (
            "Deploying",
            "Traceback:\n  File\nreprise.errors.PipelineError: prefect.yaml: name: found a\n\nmore",
            "prefect.yaml: name: found a",
        ),
        ("reprise.errors.PipelineError: found b\n", "An exception occurred.", "found b"),
    ],
)
def test_what_failed_is_one_line_without_a_traceback(
    stdout: str, stderr: str, message: str
) -> None:
    assert describe_failure(stdout, stderr) == message


@pytest.mark.slow
def test_a_closed_terminal_ends_the_server_whatever_comes_after(tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text((ROOT / "prefect.yaml").read_text())
    command = [sys.executable, "-m", "reprise.flows.serve", "--port", str(free_port())]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, start_new_session=True) as process:
        while not (ours := psutil.Process(process.pid).children(recursive=True)):
            time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
    assert process.returncode == 0
    assert psutil.wait_procs(ours, timeout=1)[1] == []
