"""The `repro` flow as a deployment: a worker process runs it, and the server cancels it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from reprise.flows.publication import _is_on_volume
from tests.conftest import ROOT
from tests.reprise.corpus import Made
from tests.reprise.flows.prefect_server import api, history, last_run, post, states
from tests.reprise.runner.repository import Make, is_gone, make, meta, stage, wait_for

__all__ = ["api", "make"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]
PATIENCE = 120.0  # seconds


def prefect(made: Made, *arguments: str) -> "subprocess.Popen[bytes]":
    site = {"DVC_SITE_CACHE_DIR": str(made.folder / "site")}
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    env = {**os.environ, **site, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with (made.folder / "prefect.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True
        )


def call(made: Made, *arguments: str) -> None:
    assert prefect(made, *arguments).wait(PATIENCE) == 0, (made.folder / "prefect.log").read_text()


@contextmanager
def worker(
    made: Made, name: str, *tags: str, **parameters: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    """Of a deployment `repro/<name>` of the project's own flow, on the repository."""
    deployment = {
        "name": name,
        "entrypoint": "pipeline/flows.py:repro",
        "work_pool": {"name": name},
        "tags": [*tags],
    }
    file = made.folder / "prefect.yaml"
    file.write_text(
        json.dumps(
            {"deployments": [{**deployment, "parameters": {"path": str(made.root), **parameters}}]}
        )
    )
    call(made, "work-pool", "create", name, "--type", "process")
    call(made, "deploy", "--all", "--prefect-file", str(file))
    process = prefect(made, "worker", "start", "--pool", name)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def cancel_last_run(api: str) -> dict[str, Any]:
    """As the button on Prefect's page does."""
    run = last_run(api)
    httpx.post(
        f"{api}/flow_runs/{run['id']}/set_state", json={"state": {"type": "CANCELLING"}}, timeout=30
    ).raise_for_status()
    return run


def ended(api: str, name: str, number: int) -> list[str]:
    """States of so many flow runs of the deployment, the oldest first, once they ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        runs = post(
            api, "flow_runs", deployments={"name": {"any_": [name]}}, sort="EXPECTED_START_TIME_ASC"
        )
        found = [
            run["state_name"]
            for run in runs
            if run["state_type"] in ("COMPLETED", "FAILED", "CANCELLED")
        ]
        if len(found) == number:
            return found
        assert time.monotonic() < deadline, (runs, found)
        time.sleep(0.5)


@pytest.mark.parametrize("runner", ["threads", "dask"])
def test_cancelling_ends_the_commands_and_the_next_run_does_the_rest(
    make: Make, api: str, runner: str
) -> None:
    name, made = f"cancel-{runner}", make({})
    long = (
        "cat good; echo half > long; echo $$ > {0}/pid.new; mv {0}/pid.new {0}/pid; "
        "test -e {0}/go || sleep 300; cat good > long"
    )
    stages = {
        "good": stage("cat a.in > good", ["a.in"], "good"),
        "long": stage(long.format(made.folder), ["good"], "long"),
        "in_place": stage(
            f"cat a.in; test -e {made.folder}/go || sleep 300; cat a.in > in_place",
            ["a.in"],
            "in_place",
        ),
    }
    stages["in_place"] |= meta(sandbox=False)
    made.edit({"dvc.yaml": json.dumps({"stages": stages})})
    with worker(made, name, runner=runner, jobs=2):
        call(made, "deployment", "run", f"repro/{name}")
        wait_for(made.folder / "pid", PATIENCE)
        cancel_last_run(api)
        assert ended(api, name, 1) == ["Cancelled"]
        assert re.fullmatch(r"repo \S+ \(by hand\)", last_run(api)["name"])
        found = history(api)
        assert found[-1] == "Cancelled"
        assert "Crashed" not in found
        assert is_gone(int((made.folder / "pid").read_text()))
        assert not (made.root / "long").exists()  # half of it was written
        temporary = made.root / ".dvc/tmp/reprise"
        assert [
            path for part in ("sandbox", "groups", "boxes") for path in (temporary / part).iterdir()
        ] == []
        lock = (made.root / "dvc.lock").read_text()
        assert "good:" in lock
        assert "long:" not in lock
        assert "in_place:" not in lock
        (made.folder / "go").touch()
        call(made, "deployment", "run", f"repro/{name}")
        assert ended(api, name, 2) == ["Cancelled", "Completed"]
    assert states(api, 3) == {"good": "Unchanged", "long": "Completed", "in_place": "Completed"}
    assert made.run("dvc", "status").strip() == "Data and pipelines are up to date."


@pytest.mark.parametrize(
    ("kind", "state"), [("docker", "Failed"), ("ecs:push", "Failed"), ("process", "Completed")]
)
def test_results_in_a_container_of_one_run_are_refused(
    make: Make, api: str, kind: str, state: str
) -> None:
    """Without a container: what is in it starts the run by this command."""
    name, made = (
        f"image-{kind.partition(':')[0]}",
        make({"a": stage("cat a.in > a", ["a.in"], "a")}),
    )
    if kind != "process" and _is_on_volume(made.root):
        pytest.skip("the folder of temporary files is on a volume")
    folder = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    create(api, "work_pools", name=name, type=kind)
    deployment = create(
        api,
        "deployments",
        name=name,
        flow_id=create(api, "flows", name="repro")["id"],
        work_pool_name=name,
        entrypoint="pipeline/flows.py:repro",
        pull_steps=[folder],
        parameters={"path": str(made.root)},
    )
    run = create(api, f"deployments/{deployment['id']}/create_flow_run")
    prefect(made, "flow-run", "execute", run["id"]).wait(PATIENCE)
    found = last_run(api)
    assert (found["id"], found["state_name"]) == (run["id"], state)
    assert (made.root / "a").exists() == (state == "Completed")
    if state == "Failed":
        said = f"publish: found none in a work pool of type {kind}, whose container is thrown away"
        assert said in found["state"]["message"]


def create(api: str, what: str, **body: Any) -> dict[str, Any]:
    address = f"{api}/{what}" if what.endswith("create_flow_run") else f"{api}/{what}/"
    made: dict[str, Any] = httpx.post(address, json=body, timeout=30).raise_for_status().json()
    return made
