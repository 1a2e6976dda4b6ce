"""Runs that a dead worker left Running, on a real server that is told their heartbeats."""

import json
import time
import uuid
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from reprise.errors import PipelineError
from reprise.flows.server.lost_runs import HEARTBEAT, end_lost_runs, make_automation, save
from tests.conftest import ROOT
from tests.reprise.flows.prefect_server import api, last_run
from tests.reprise.flows.test_worker import call, cancel_last_run, ended, worker
from tests.reprise.runner.repository import Make, is_gone, make, stage, wait_for

__all__ = ["api", "make"]  # fixtures
pytestmark = pytest.mark.xdist_group("prefect")
OWNER = "github.com/team/lost"
SILENCE = 10  # seconds: the least that Prefect takes
PATIENCE = 120.0  # seconds


def start(api: str, owner: str = OWNER) -> dict[str, Any]:
    """Start a run, as a worker does."""
    flow = httpx.post(f"{api}/flows/", json={"name": "lost"}, timeout=30).json()
    tags = ["lost", f"deployed-from:{owner}"]
    body = {"flow_id": flow["id"], "tags": tags, "state": {"type": "RUNNING"}}
    run: dict[str, Any] = httpx.post(f"{api}/flow_runs/", json=body, timeout=30).json()
    beat(api, run)
    return run


def beat(api: str, run: dict[str, Any]) -> None:
    """Send a heartbeat, as the flow's process does."""
    related = [
        {"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"}
        for tag in run["tags"]
    ]
    event = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": HEARTBEAT,
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run['id']}"},
        "related": related,
    }
    httpx.post(f"{api}/events", json=[event], timeout=30).raise_for_status()


def enter(api: str, run: dict[str, Any], **state: str) -> None:
    address = f"{api}/flow_runs/{run['id']}/set_state"
    httpx.post(address, json={"state": state}, timeout=30).raise_for_status()


def state_of(api: str, run: dict[str, Any]) -> dict[str, Any]:
    found = httpx.get(f"{api}/flow_runs/{run['id']}", timeout=30).json()
    state: dict[str, Any] = found["state"]
    return state


@pytest.mark.slow
def test_only_a_run_that_is_not_heard_of_is_crashed(api: str) -> None:
    with temporary_settings({PREFECT_API_URL: api}):
        for _ in range(2):  # the second time it is there
            save(make_automation("lost", OWNER, timedelta(seconds=SILENCE)))
    names = [one["name"] for one in httpx.post(f"{api}/automations/filter", json={}).json()]
    assert names.count("lost: runs of dead workers") == 1
    dead, alive = start(api), start(api)
    of_another = start(api, "github.com/team/other")
    cancelled, unchanged = start(api), start(api)
    enter(api, cancelled, type="CANCELLING")
    enter(api, cancelled, type="CANCELLED")
    enter(api, unchanged, type="COMPLETED", name="Unchanged")
    deadline = time.monotonic() + PATIENCE
    while (state := state_of(api, dead))["type"] != "CRASHED":
        assert time.monotonic() < deadline, state
        beat(api, alive)
        time.sleep(1)
    assert state["message"] == "not heard of for 0.166667 minutes: its worker may be dead"
    silent_until = time.monotonic() + 2 * SILENCE
    while time.monotonic() < silent_until:
        beat(api, alive)
        time.sleep(1)
    assert state_of(api, alive)["type"] == "RUNNING"
    assert state_of(api, of_another)["type"] == "RUNNING"
    assert state_of(api, cancelled)["type"] == "CANCELLED"
    assert state_of(api, unchanged)["name"] == "Unchanged"
    history = httpx.get(f"{api}/flow_run_states/", params={"flow_run_id": cancelled["id"]}).json()
    assert "CRASHED" not in {entry["type"] for entry in history}


@pytest.mark.slow
def test_a_killed_worker_s_run_is_crashed_and_a_cancelled_one_is_not(
    make: Make, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By real heartbeats. A minute of silence is two of them, the fewest that Prefect sends."""
    monkeypatch.setenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")
    owner, name = "github.com/team/killed", "killed"
    with temporary_settings({PREFECT_API_URL: api}):
        save(make_automation(name, owner, timedelta(minutes=1)))
    made = make({})
    waits = f"cat a.in; echo $$ > {made.folder}/pid.new; mv {made.folder}/pid.new {made.folder}/pid"
    stages = {"a": stage(f"{waits}; sleep 600", ["a.in"], "a")}
    made.edit({"dvc.yaml": json.dumps({"stages": stages})})
    pid = made.folder / "pid"
    with worker(made, name, f"deployed-from:{owner}") as process:
        call(made, "deployment", "run", f"repro/{name}")
        wait_for(pid, PATIENCE)
        cancelled = cancel_last_run(api)
        assert ended(api, name, 1) == ["Cancelled"]
        assert is_gone(int(pid.read_text()))
        pid.unlink()
        call(made, "deployment", "run", f"repro/{name}")
        wait_for(pid, PATIENCE)
        killed = last_run(api)
        whole = psutil.Process(process.pid)
        for one in [*whole.children(recursive=True), whole]:
            one.kill()
        assert state_of(api, killed)["type"] == "RUNNING"
        deadline = time.monotonic() + PATIENCE
        while (state := state_of(api, killed))["type"] != "CRASHED":
            assert time.monotonic() < deadline, state
            time.sleep(1)
    assert state["message"] == "not heard of for 1 minutes: its worker may be dead"
    answer = httpx.get(f"{api}/flow_run_states/", params={"flow_run_id": cancelled["id"]})
    names = [entry["name"] for entry in answer.json()]
    after = names[names.index("Cancelling") :]
    assert set(after) == {"Cancelling", "Cancelled"}  # the worker may say the second again


@pytest.mark.slow
def test_one_that_somebody_switched_off_stays_off(api: str) -> None:
    with temporary_settings({PREFECT_API_URL: api}):
        automation = make_automation("off", OWNER, timedelta(minutes=1))
        automation.enabled = False
        save(automation)
        save(make_automation("off", OWNER, timedelta(minutes=2)))
    found = httpx.post(f"{api}/automations/filter", json={}, timeout=30).json()
    (off,) = [one for one in found if one["name"] == "off: runs of dead workers"]
    assert (off["enabled"], off["trigger"]["within"]) == (False, 120)


@pytest.mark.parametrize("minutes", [0, -1, 3])
def test_less_than_a_heartbeat_is_one_line(minutes: float, tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text((ROOT / "prefect.yaml").read_text())
    with (
        chdir(tmp_path),
        pytest.raises(PipelineError, match=r"minutes: found .*; expected more") as e,
    ):
        end_lost_runs(minutes)
    assert len(str(e.value).splitlines()) == 1
