"""What commands see of the secrets that a worker, or a closed server, has in its environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings.legacy import _get_settings_fields
from prefect.settings.models.root import Settings

from reprise.dvc.declaration import SECRETS
from reprise.flows.server.secret import closed
from tests.reprise.corpus import Made
from tests.reprise.runner.repository import Make, make, meta, stage

__all__ = ["make"]  # a fixture
SEEN = "env | grep PREFECT > {0}"
# Of a proxy that asks who calls, and of redis: Prefect does not call them secret.
MAY_HOLD_ONE = {"PREFECT_CLIENT_CUSTOM_HEADERS", "PREFECT_SERVER_DOCKET_URL"}


def test_they_are_prefect_s_own_under_all_their_names() -> None:
    fields = _get_settings_fields(Settings)
    secret = {name for name, field in fields.items() if field.is_secret and "." not in name}
    assert {*SECRETS} == secret | MAY_HOLD_ONE


@pytest.fixture
def made(make: Make) -> Made:
    """A stage in a sandbox, and one in the workspace, that print their environment."""
    stages = {
        "sandboxed": stage(SEEN.format("sandboxed"), ["a.in"], "sandboxed"),
        "in_place": stage(SEEN.format("in_place"), ["a.in"], "in_place"),
    }
    stages["in_place"] |= meta(sandbox=False)
    repository: Made = make(stages)
    return repository


def seen(made: Made, name: str) -> set[str]:
    lines = (made.root / name).read_text().splitlines()
    return {line.partition("=")[0] for line in lines if "=" in line}


@pytest.mark.parametrize("sandbox", ["", "folder"])
def test_a_run_under_a_worker_keeps_them_to_itself(
    sandbox: str, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "xyzzy")
    monkeypatch.setenv("REPRISE_SANDBOX", sandbox)
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "x")
    made.run("reprise", "run")
    for name in ("sandboxed", "in_place"):
        assert "PREFECT__FLOW_RUN_ID" in seen(made, name)
        assert seen(made, name).isdisjoint(SECRETS)
        assert "xyzzy" not in (made.root / name).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["threads", "dask"])
@pytest.mark.parametrize("is_set", [True, False])
def test_a_flow_keeps_those_of_its_server_to_itself(
    runner: str, is_set: bool, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a temporary server, and those that the environment has of another."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(made.folder / "home"))
    if is_set:
        for name in ("PREFECT_API_KEY", "PREFECT_SERVER_API_AUTH_STRING"):
            monkeypatch.setenv(name, "xyzzy")
    flow = [sys.executable, "-m", "reprise.cli", "run", "--prefect", "--runner", runner, "-j1"]
    made.run(*flow)
    for name in ("sandboxed", "in_place"):
        assert "PREFECT_SERVER_ANALYTICS_ENABLED" in seen(made, name)
        assert seen(made, name).isdisjoint(SECRETS)


def test_the_environment_is_as_before_once_the_temporary_server_is_no_longer_asked() -> None:
    code = """
import os
from reprise.flows.launch import _closed_server
before = dict(os.environ)
with _closed_server():
    assert os.environ["PREFECT_API_AUTH_STRING"] not in ("", "mine")
assert os.environ == before
"""
    env = {**os.environ, "PREFECT_API_AUTH_STRING": "mine"}
    assert {"PREFECT_API_AUTH_STRING"} < closed("a", "b").keys()
    subprocess.run([sys.executable, "-c", code], env=env, check=True, cwd=Path.cwd())
