"""The `retrain` flow: a real Prefect server, workers in processes of their own, a real origin and DVC remote."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import ROOT, YAML_
from tests.pipeline.retrain.project import Retrainable
from tests.pipeline.retrain.test_retrain import GOOD, first, made
from tests.pipeline.test_flows import api, post

__all__ = ["api", "first", "made"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]
PATIENCE = 180.0  # seconds for a flow run on a busy machine


@dataclass
class Deployed:
    """retrain/nightly of prefect.yaml, in a work pool of its own."""

    api: str
    made: Retrainable
    pool: str

    @property
    def environment(self) -> dict[str, str]:
        return {**self.made.environment, "PREFECT_API_URL": self.api, "PREFECT_WORKER_QUERY_SECONDS": "1"}

    def prefect(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "prefect", "--no-prompt", *arguments]

    def call(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(self.prefect(*arguments), cwd=ROOT, env=self.environment, text=True, capture_output=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def deploy(self, *, schedule: dict[str, Any] | None = None, **parameters: Any) -> "Deployed":
        file = YAML_.load(ROOT / "prefect.yaml")
        (nightly,) = [d for d in file["deployments"] if d["name"] == "nightly"]
        nightly["name"] = nightly["work_pool"]["name"] = self.pool
        nightly["schedules"] = [schedule] if schedule else []
        folder = str(self.made.folder / "work")
        nightly["parameters"] |= {"repository": str(self.made.origin), "workplace": folder, **parameters}
        text = self.made.folder / "prefect.yaml"
        text.write_text(json.dumps({**file, "deployments": [nightly]}))
        self.call("work-pool", "create", self.pool, "--type", "process")
        self.call("deploy", "--all", "--prefect-file", str(text))
        return self

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        command = self.prefect("worker", "start", "--pool", self.pool)
        with (self.made.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)

    def start(self) -> None:
        self.call("deployment", "run", f"retrain/{self.pool}")

    def runs(self) -> list[dict[str, Any]]:
        """Of the deployment; the oldest first."""
        of = {"name": {"any_": [self.pool]}}
        return post(self.api, "flow_runs", deployments=of, sort="EXPECTED_START_TIME_ASC")

    def ended(self, number: int) -> list[dict[str, Any]]:
        """So many runs, once they ended."""
        return wait_until(lambda: [r for r in self.runs() if r["state"]["type"] in FINAL], number)


FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


def wait_until(look: Callable[[], list[dict[str, Any]]], number: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if len(found) >= number:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{number} expected, found {look()}")


@pytest.fixture
def deployed(api: str, made: Retrainable, request: pytest.FixtureRequest) -> Deployed:
    return Deployed(api, made, request.node.name.replace("_", "-"))


def test_the_schedule_fires_and_the_second_run_is_unchanged(deployed: Deployed) -> None:
    deployed.made.source.write_text(GOOD)
    deployed.deploy(schedule={"interval": 15}, publish="push")
    with deployed.worker():
        runs = deployed.ended(2)
    assert [r["state_name"] for r in runs[:2]] == ["Promoted", "Unchanged"]
