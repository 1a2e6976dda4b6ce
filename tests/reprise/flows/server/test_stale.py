"""Deployments of before, on a server that this project's `make serve` starts again."""

import subprocess
import time
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter
from prefect.settings import PREFECT_API_URL, temporary_settings

from reprise.flows.server.owner import own_address
from reprise.flows.server.project import Deployments
from reprise.flows.server.stale import switch_off_stale
from tests.reprise.flows.prefect_server import api

__all__ = ["api"]  # a fixture
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]
ORIGIN = "https://github.com/team/stale.git"
FOLDER = "prefect.deployments.steps.set_working_directory"
CLONE = "prefect.deployments.steps.git_clone"
ENTRYPOINT = "pipeline/flows.py:retrain"
SCHEDULE = {"schedule": {"interval": 86400}, "active": True, "slug": "nightly"}


def post(url: str, body: dict[str, Any]) -> Any:
    """Post, again where the server says that its database is busy, as Prefect's own client does."""
    for _ in range(20):
        answer = httpx.post(url, json=body, timeout=30)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(0.5)
    assert answer.is_success, answer.text
    return answer.json()


def deploy(api: str, name: str, step: dict[str, Any] | None, **fields: Any) -> str:
    """Deploy with a schedule that goes on since yesterday, and with a run asked for by then."""
    flow = post(f"{api}/flows/", {"name": "retrain"})
    body = {
        "name": name,
        "flow_id": flow["id"],
        "entrypoint": ENTRYPOINT,
        "pull_steps": [] if step is None else [step],
        "schedules": [SCHEDULE],
        **fields,
    }
    deployed = post(f"{api}/deployments/", body)
    identifier = str(deployed["id"])
    due = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}
    asked = {"flow_id": flow["id"], "deployment_id": identifier, "state": state}
    post(f"{api}/flow_runs/", asked)
    post(f"{api}/deployments/{identifier}/schedule", {"start_time": due})
    return identifier


def active(api: str, names: list[str]) -> dict[str, bool]:
    filter_ = DeploymentFilter.model_validate({"name": {"any_": names}})
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        found = client.read_deployments(deployment_filter=filter_)
    return {one.name: one.schedules[0].active for one in found}


def due_runs(api: str, identifier: str) -> list[bool]:
    """Tell of each run that waits whether a schedule made it."""
    body = {
        "deployments": {"id": {"any_": [identifier]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    runs = post(f"{api}/flow_runs/filter", body)
    return [run["auto_scheduled"] for run in runs]


def test_only_this_project_s_schedules_of_before_are_switched_off(api: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    subprocess.run(["git", "init", "-q", here], check=True)
    subprocess.run(["git", "remote", "add", "origin", ORIGIN], cwd=here, check=True)
    own = f"deployed-from:{own_address(here)}"
    folder: dict[str, Any] = {FOLDER: {"directory": str(here)}}
    ours = {
        "nightly": deploy(api, "nightly", folder),
        "a-path": deploy(api, "a-path", None, path=str(here)),
        "cloned": deploy(api, "cloned", {CLONE: {"repository": ORIGIN}}, tags=[own]),
        "renamed-retrain": deploy(api, "renamed-retrain", folder, tags=[own]),
    }
    others = {
        "stale-retrain": deploy(api, "stale-retrain", folder, tags=[own]),  # prefect.yaml has it
        "branch": deploy(api, "branch", {CLONE: {"repository": ORIGIN}}),  # of what prefect.yaml?
        "elsewhere": deploy(api, "elsewhere", {FOLDER: {"directory": str(tmp_path)}}),
        "relative": deploy(api, "relative", {FOLDER: {"directory": "."}}),
        "other-flow": deploy(api, "other-flow", folder, entrypoint="etl.py:load"),
        "other-origin": deploy(api, "other-origin", {CLONE: {"repository": ORIGIN + "x"}}),
        "other-owner": deploy(api, "other-owner", folder, tags=["deployed-from:another:/x"]),
        "nowhere": deploy(api, "nowhere", None),
    }
    deployments = Deployments("stale", ["stale-retrain"], {ENTRYPOINT}, {})
    with chdir(here):
        lines = switch_off_stale(api, "", deployments)
        again = switch_off_stale(api, "", deployments)
    said = "prefect.yaml has no such deployment any more; its schedule is switched off"
    assert sorted(lines) == sorted(f"{name}: {said}" for name in ours)
    assert again == []
    assert active(api, [*ours]) == dict.fromkeys(ours, False)
    assert active(api, [*others]) == dict.fromkeys(others, True)
    for identifier in ours.values():
        assert due_runs(api, identifier) == [False]  # what somebody asked for stays
    for identifier in others.values():
        assert due_runs(api, identifier).count(True) > 1
