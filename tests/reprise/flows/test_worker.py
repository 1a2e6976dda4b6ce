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
def worker(made: Made, name: str, **parameters: Any) -> Iterator[None]:
    """Of a deployment `repro/<name>` of the project's own flow, on the repository."""
    deployment = {
        "name": name,
        "entrypoint": "pipeline/flows.py:repro",
        "work_pool": {"name": name},
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
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


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
        "cat good; echo $$ > {0}/pid.new; mv {0}/pid.new {0}/pid; "
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
        cancel = {"state": {"type": "CANCELLING"}}
        httpx.post(
            f"{api}/flow_runs/{last_run(api)['id']}/set_state", json=cancel, timeout=30
        ).raise_for_status()
        assert ended(api, name, 1) == ["Cancelled"]
        assert re.fullmatch(r"repo \S+ \(by hand\)", last_run(api)["name"])
        found = history(api)
        assert found[-1] == "Cancelled"
        assert "Crashed" not in found
        assert is_gone(int((made.folder / "pid").read_text()))
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
