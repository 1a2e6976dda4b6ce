"""Run `make serve`: a Prefect server on loopback, prefect.yaml's deployments, and a worker.

Ctrl-C ends all.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx

from reprise.errors import PipelineError
from reprise.flows.server.project import FILE, NOTE, Deployments, read_deployments
from reprise.flows.server.secret import NAME, closed, own_secret, write_profile

DESCRIPTION = (
    "`make serve`: a Prefect server on loopback, the deployments of prefect.yaml and a worker; "
    "Ctrl-C ends all."
)
HOST = "127.0.0.1"
HOME = Path(".prefect")  # of the server
FRAME = ("╭", "│", "╰")  # Prefect frames titles
OWN_ERROR = "reprise.errors.PipelineError: "  # a line of a traceback
PATIENCE = 300.0  # seconds for a server on an empty home, should the machine be busy
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal was closed
GRACE = 20.0  # seconds in which the worker ends its flow runs


def main() -> None:
    """Serve, and exit: 0 after a signal, 1 after one line for an error."""
    parser = argparse.ArgumentParser("reprise.flows.serve", description=DESCRIPTION)
    parser.add_argument("--port", type=int, default=4200)
    try:
        serve(parser.parse_args().port)
    except PipelineError as e:
        sys.exit(f"serve: {e}")


def serve(port: int) -> None:
    """Serve until one of SIGNALS comes.

    Raises PipelineError when the server, a registration or the worker fails.
    """
    deployments = read_deployments(Path(FILE))
    project = deployments.project
    check_port(port)
    for number in SIGNALS:
        signal.signal(number, _raise_keyboard_interrupt)
    home = HOME.resolve()
    secret = own_secret(home)
    environment = _environment(home, port, secret)
    write_profile(home, environment["PREFECT_API_URL"], secret)
    try:
        with ExitStack() as stack:
            options = ["--host", HOST, "--port", str(port)]
            server = _start(stack, environment, "server", "start", *options)
            wait_for_server(server, environment["PREFECT_API_URL"])
            _call(environment, "work-pool", "create", project, "--type", "process", "--overwrite")
            _call(environment, "deploy", "--all")
            _switch_off_stale(environment["PREFECT_API_URL"], secret, deployments)
            worker = _start(stack, environment, "worker", "start", "--pool", project)
            print(f"Prefect: http://{HOST}:{port}   (Ctrl-C ends all)")
            print(f"Its pages ask for a password: the line in {HOME / NAME}", flush=True)
            worker.wait()
            raise PipelineError(
                f"the worker ended with status {worker.returncode}; expected it to run on"
            )
    except KeyboardInterrupt:
        print("ended")


def _switch_off_stale(url: str, secret: str, deployments: Deployments) -> None:
    """Switch off what the worker would take up of before, and say so."""
    from reprise.flows.server.stale import switch_off_stale  # a second, for Prefect

    for line in switch_off_stale(url, secret, deployments):
        print(line, flush=True)


def check_port(port: int) -> None:
    """Raise PipelineError when something listens there: it would answer in our server's place."""
    try:
        with socket.socket() as listener:
            # As the server does: an earlier one may have left the port a moment ago.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
    except (OSError, OverflowError) as e:
        raise PipelineError(f"--port: found {port} ({e}); expected a free port") from None


def _raise_keyboard_interrupt(_number: int, _frame: object) -> None:
    for number in SIGNALS:  # another one must not cut the clean-up short
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _environment(home: Path, port: int, secret: str) -> dict[str, str]:
    """Make the environment of Prefect's commands. They find this Python's commands first."""
    bin_ = Path(sys.executable).parent
    return {
        **os.environ,
        **closed(secret, f"http://{HOST}:{port}"),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
    }


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "prefect", "--no-prompt", *arguments]


def _start(
    stack: ExitStack, environment: Mapping[str, str], *arguments: str
) -> subprocess.Popen[bytes]:
    """Start a command of Prefect, which ends with the stack.

    In a session of its own: Ctrl-C reaches it through us, the worker before the server.
    """
    process = subprocess.Popen(
        _command(*arguments), env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _call(environment: Mapping[str, str], *arguments: str) -> None:
    """Run a command of Prefect to its end, and show what our steps print.

    Raises PipelineError with its message when it fails.
    """
    result = subprocess.run(
        _command(*arguments), env=environment, text=True, capture_output=True, check=False
    )
    if result.returncode != 0:
        message = describe_failure(result.stdout, result.stderr)
        raise PipelineError(
            f"prefect {' '.join(arguments)}: exit status {result.returncode}: {message}"
        )
    for line in result.stdout.splitlines():
        if line.startswith(NOTE):
            print(line.removeprefix(NOTE), flush=True)


def describe_failure(stdout: str, stderr: str) -> str:
    """Pick our own step's error, or else all that Prefect said on stderr, or on stdout."""
    for line in f"{stderr}\n{stdout}".splitlines():
        if line.startswith(OWN_ERROR):
            return line.removeprefix(OWN_ERROR)
    lines = (stderr or stdout).splitlines()
    return " ".join(line for line in lines if not line.startswith(FRAME))


def wait_for_server(server: "subprocess.Popen[bytes]", url: str) -> None:
    """Wait until the server answers. Raises PipelineError when it ended or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health", timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise PipelineError(f"found no answer at {url}; expected Prefect's server (is the port taken?)")


if __name__ == "__main__":
    main()
