"""A real Prefect server for the tests of flows, and what they ask it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from reprise.flows.serve import wait_for_server
from tests.reprise.corpus import Made


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of its own."""
    with serving(tmp_path_factory.mktemp("prefect")) as (url, _):
        yield url


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A server's address, which the environment has meanwhile, and its process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    own = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    own["PREFECT_API_URL"] = url  # before the server starts: it tells the UI
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_server(server, url)
        yield url, server
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def post(api: str, what: str, **body: Any) -> list[dict[str, Any]]:
    answer = httpx.post(f"{api}/{what}/filter", json=body, timeout=30).raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def last_run(api: str) -> dict[str, Any]:
    return post(api, "flow_runs", sort="START_TIME_DESC", limit=1)[0]


def history(api: str) -> list[str]:
    """Of the last flow run: the names of its states."""
    run = {"flow_run_id": last_run(api)["id"]}
    answer = httpx.get(f"{api}/flow_run_states/", params=run, timeout=30).raise_for_status()
    return [state["name"] for state in answer.json()]


def artifacts(api: str) -> dict[str, dict[str, Any]]:
    """Of the last flow run, by key."""
    found = post(api, "artifacts", flow_runs={"id": {"any_": [last_run(api)["id"]]}})
    return {artifact["key"]: artifact for artifact in found}


def task_runs(api: str) -> list[dict[str, Any]]:
    """Of the last flow run."""
    return post(api, "task_runs", flow_runs={"id": {"any_": [last_run(api)["id"]]}})


def states(api: str, expected: int) -> dict[str, str]:
    """By stage; the server learns of task runs a moment after they ended."""
    for _ in range(100):
        found = {run["name"]: run["state_name"] for run in task_runs(api)}
        if len(found) == expected and not {"Running", "Pending", "AwaitingRetry", "Retrying"} & set(
            found.values()
        ):
            return found
        time.sleep(0.1)
    return found


def flow(made: Made, code: int = 0, *options: str) -> str:
    """In a whole process.

    Prefect sends the last states and logs when Python exits, which a forked one skips.
    """
    return made.run(sys.executable, "-m", "reprise.cli", "run", "--prefect", *options, code=code)
