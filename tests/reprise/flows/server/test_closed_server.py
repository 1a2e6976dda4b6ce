"""`make serve` on a real server: who has no secret gets nothing, and nothing goes out by itself."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import WebSocketException

from tests.conftest import ROOT
from tests.reprise.flows.prefect_server import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve")]
PATIENCE = 300.0  # seconds


class Served(NamedTuple):
    """Holds a project's folder, in which `make serve` runs, and its address."""

    folder: Path
    url: str
    said: str

    @property
    def secret(self) -> str:
        """Read the secret, as its owner does."""
        return (self.folder / ".prefect/secret").read_text().strip()

    def ask(self, method: str, path: str, *, secret: str | None = None, **more: Any) -> Any:
        """Ask the server, with the secret or without."""
        headers = dict(more.pop("headers", {}))
        if secret is not None:
            headers["Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=30, **more)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    for name in ("prefect.yaml", "pipeline"):
        (folder / name).symlink_to(ROOT / name)
    with serving(folder) as found:
        yield found


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Run `make serve` in the folder."""
    port = free_port()
    command = [sys.executable, "-m", "reprise.flows.serve", "--port", str(port)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        env.pop(name, None)
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            deadline = time.monotonic() + PATIENCE
            while "password" not in (said := (folder / "log").read_text()):
                assert process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.2)
            yield Served(folder, f"http://127.0.0.1:{port}", said)
        finally:
            process.send_signal(signal.SIGINT)


def test_it_says_where_the_secret_is_and_not_what(served: Served) -> None:
    assert "Its pages ask for a password: the line in .prefect/secret" in served.said
    everything = [path for path in (served.folder / ".prefect").rglob("*") if path.is_file()]
    having = {path.name for path in everything if served.secret.encode() in path.read_bytes()}
    assert having == {"secret", "profiles.toml"}
    assert served.secret not in (served.folder / "log").read_text()
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert served.secret not in lines.stdout


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},  # a name that was bound to 127.0.0.1 after the page was loaded
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": "Bearer x"},
        {"Cookie": "secret=x"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/flow_runs/filter"),
        ("POST", "/api/deployments/"),
        ("POST", "/api/work_pools/"),
        ("GET", "/api/admin/settings"),
        ("POST", "/api/admin/database/clear"),
    ],
)
def test_who_has_no_secret_gets_nothing(
    served: Served, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = served.ask(method, path, headers=headers, json={})
    assert answer.status_code == 401, answer.text
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_another_origin_may_not_even_send_the_secret(served: Served) -> None:
    ask = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    for origin, allowed in (("http://evil.example", None), (served.url, served.url)):
        answer = served.ask("OPTIONS", "/api/flow_runs/filter", headers={**ask, "Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert (answer.status_code == 200) == (allowed is not None)


@pytest.mark.parametrize("path", ["/api/events/in", "/api/events/out", "/api/logs/out"])
@pytest.mark.parametrize("protocols", [None, ["prefect"]])
def test_nor_does_a_socket_answer(served: Served, path: str, protocols: Any) -> None:
    url = served.url.replace("http:", "ws:") + path
    with (
        pytest.raises(WebSocketException),
        websockets.sync.client.connect(url, subprotocols=protocols) as socket,
    ):
        socket.send(json.dumps({"type": "auth", "token": "admin"}))
        answer = json.loads(socket.recv(timeout=10))
        assert answer["type"] != "auth_success"
        socket.recv(timeout=10)


def test_who_has_it_finds_the_deployments_and_the_schedule_off(served: Served) -> None:
    answer = served.ask("POST", "/api/deployments/filter", secret=served.secret, json={})
    found = {deployment["name"]: deployment for deployment in answer.json()}
    assert set(found) == {"reprise-repro", "reprise-retrain"}
    assert [one["active"] for one in found["reprise-retrain"]["schedules"]] == [False]
    assert {deployment["work_pool_name"] for deployment in found.values()} == {"reprise"}
    runs = served.ask("POST", "/api/flow_runs/filter", secret=served.secret, json={})
    assert runs.json() == []  # none is scheduled


def test_the_command_line_finds_it_in_the_server_s_home(served: Served, tmp_path: Path) -> None:
    """Whatever profile is active of the user, and named in his shell."""
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect/profiles.toml").write_text(
        'active = "cloud"\n[profiles.cloud]\nPREFECT_API_URL = "http://127.0.0.1:1/api"\n'
    )
    env = {**os.environ, "HOME": str(tmp_path), "PREFECT_HOME": ".prefect"}
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        env.pop(name, None)

    def call(*arguments: str, **more: str) -> str:
        command = [sys.executable, "-m", "prefect", "--profile", "serve", *arguments]
        done = subprocess.run(
            command,
            cwd=served.folder,
            env=env | more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "retrain/reprise-retrain" in call("deployment", "ls")
    assert "retrain/reprise-retrain" in call("deployment", "ls", PREFECT_PROFILE="cloud")
    other = "http://127.0.0.1:1/api"
    view = call("config", "view", PREFECT_API_URL=other)
    assert f"PREFECT_API_URL='{other}' (from env)" in " ".join(view.split())


def test_a_deployment_of_before_no_longer_runs_by_its_schedule(tmp_path: Path) -> None:
    """One of 0.2.0, which pushed each night."""
    for name in ("prefect.yaml", "pipeline"):
        (tmp_path / name).symlink_to(ROOT / name)
    with serving(tmp_path) as first:
        flows = first.ask("POST", "/api/flows/filter", secret=first.secret, json={}).json()
        (flow,) = [flow["id"] for flow in flows if flow["name"] == "retrain"]
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}
        nightly = {
            "name": "nightly",
            "flow_id": flow,
            "entrypoint": "pipeline/flows.py:retrain",
            "parameters": {"publish": "pr"},
            "pull_steps": [step],
            "work_pool_name": "reprise",
            "schedules": [{"schedule": {"cron": "0 2 * * *"}, "active": True}],
        }
        made = first.ask("POST", "/api/deployments/", secret=first.secret, json=nightly)
        assert made.status_code == 201
    with serving(tmp_path) as second:
        assert "nightly: prefect.yaml has no such deployment any more; its" in second.said
        path = f"/api/deployments/{made.json()['id']}"
        found = second.ask("GET", path, secret=second.secret).json()
        assert [schedule["active"] for schedule in found["schedules"]] == [False]
        runs = second.ask("POST", "/api/flow_runs/filter", secret=second.secret, json={})
        assert runs.json() == []
