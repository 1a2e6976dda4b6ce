"""The `retrain` flow with all parts real.

A Prefect server, workers in processes of their own, an origin and a DVC remote.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import pytest

from reprise.flows.retrain import lines_of_failed
from tests.conftest import ROOT, YAML_
from tests.reprise.flows.prefect_server import api, post
from tests.reprise.flows.test_project_flows import with_hook
from tests.reprise.retrain.project import Retrainable
from tests.reprise.retrain.test_clone import serving_private
from tests.reprise.retrain.test_retrain import GOOD, first, made
from tests.reprise.runner.repository import is_gone, is_gone_soon
from tests.reprise.stand_in import TOKEN, StandIn

__all__ = ["api", "first", "made"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]
PATIENCE = 180.0  # seconds for flow runs on a busy machine
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
LIMIT = {"limit": 1, "collision_strategy": "ENQUEUE"}
Json = dict[str, Any]


@dataclass
class Deployed:
    """reprise-retrain of prefect.yaml under a name of its own, in a work pool of that name."""

    api: str
    made: Retrainable
    name: str
    more: dict[str, str] = field(default_factory=dict)  # of the worker's environment

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "PREFECT_API_URL": self.api,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PYTHONPATH": str(self.made.folder),
        }
        return {**self.made.environment, **own, **self.more}

    def call(self, *arguments: str) -> None:
        self.made.run(*prefect(*arguments), cwd=ROOT, more=self.environment)

    def deploy(
        self,
        *,
        schedule: Json | None = None,
        limit: Json | None = LIMIT,
        entrypoint: str | None = None,
        **parameters: Any,
    ) -> None:
        file = YAML_.load(ROOT / "prefect.yaml")
        (nightly,) = [d for d in file["deployments"] if d["name"] == "reprise-retrain"]
        places = {"repository": str(self.made.origin), "workplace": str(self.made.folder / "work")}
        nightly["name"] = nightly["work_pool"]["name"] = self.name
        nightly["parameters"] |= {**places, **parameters}
        nightly["entrypoint"] = entrypoint or nightly["entrypoint"]
        nightly |= {"schedules": [schedule] if schedule else [], "concurrency_limit": limit}
        text = self.made.folder / "prefect.yaml"
        text.write_text(json.dumps({**file, "deployments": [nightly]}))
        self.call("work-pool", "create", self.name, "--type", "process")
        self.call("deploy", "--all", "--prefect-file", str(text))

    def start(self) -> None:
        self.call("deployment", "run", f"retrain/{self.name}")

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        command = prefect("worker", "start", "--pool", self.name)
        with (self.made.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)

    def run_once(self, **parameters: Any) -> Json:
        """The flow run, once it ended."""
        self.deploy(**parameters)
        with self.worker():
            self.start()
            (run,) = self.ended(1)
        return run

    def runs(self) -> list[Json]:
        """Of the deployment, the oldest first."""
        return post(
            self.api, "flow_runs", deployments=named(self.name), sort="EXPECTED_START_TIME_ASC"
        )

    def ended(self, number: int, states: Collection[str] = FINAL) -> list[Json]:
        """So many runs at least, once they ended so."""
        deadline = time.monotonic() + PATIENCE
        while len(found := [r for r in self.runs() if r["state"]["type"] in states]) < number:
            assert time.monotonic() < deadline, self.runs()
            time.sleep(0.5)
        return found

    def artifacts(self, run: Json) -> dict[str, Any]:
        """Of the flow run: their data by key."""
        found = post(self.api, "artifacts", flow_runs={"id": {"any_": [run["id"]]}})
        return {artifact["key"]: artifact["data"] for artifact in found}

    def stages(self, run: Json) -> dict[str, str]:
        """Of the repro run beneath: the state of each stage."""
        (below,) = post(
            self.api, "flow_runs", flow_runs={"parent_flow_run_id": {"any_": [run["id"]]}}
        )
        found = post(self.api, "task_runs", flow_runs={"id": {"any_": [below["id"]]}})
        return {run["name"]: run["state_name"] for run in found}

    def before_training(self, code: str) -> None:
        """Python that the process of train.py runs first."""
        hook = f"import os, sys\nif sys.orig_argv[1:] == ['train.py']:\n    {code}\n"
        (self.made.folder / "sitecustomize.py").write_text(hook)

    def waits_before_training(self) -> Callable[[], int]:
        """The first time only. Gives what waits for its start, and its process."""
        note = self.made.folder / "pid"
        self.before_training(
            f"import os, sys, time; sys.path.insert(0, {str(self.made.folder)!r}); import pause"
        )
        code = "if not path.exists():\n    path.write_text(str(os.getpid()))\n    time.sleep(600)\n"
        imports = f"import os, pathlib, time\npath = pathlib.Path({str(note)!r})\n"
        (self.made.folder / "pause.py").write_text(imports + code)

        def started() -> int:
            deadline = time.monotonic() + PATIENCE
            while not (note.exists() and note.read_text()):
                assert time.monotonic() < deadline, self.runs()
                time.sleep(0.1)
            return int(note.read_text())

        return started


def prefect(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "prefect", "--no-prompt", *arguments]


def named(name: str) -> Json:
    return {"name": {"any_": [name]}}


@pytest.fixture
def deployed(api: str, made: Retrainable, request: pytest.FixtureRequest) -> Deployed:
    return Deployed(api, made, request.node.name.replace("_", "-"))


def test_the_schedule_fires_and_the_second_run_is_unchanged(deployed: Deployed) -> None:
    deployed.made.source.write_text(GOOD)
    deployed.deploy(schedule={"interval": 15}, publish="push")
    with deployed.worker():
        first, second, *_ = deployed.ended(2)
    assert (first["state_name"], second["state_name"]) == ("Promoted", "Unchanged")
    assert deployed.stages(first) == {
        "rows.csv.dvc": "Unchanged",
        "split": "Completed",
        "train": "Completed",
        "evaluate": "Completed",
    }
    artifacts = deployed.artifacts(first)
    assert artifacts.keys() == {"origin-decision", "origin-report"}
    rows = json.loads(artifacts["origin-decision"])
    decision = {row["field"]: row["value"] for row in rows}
    assert (decision["outcome"], decision["old"], decision["new"]) == ("promoted", "0.625", "1.0")
    assert deployed.made.branches()["main"] in decision["commit"]
    assert (decision["verdict"], decision["pushed"]) == ("better", "yes")
    assert "reason" not in decision  # it stands above the table
    report = artifacts["origin-report"]
    assert "**accuracy 0.625 → 1: this model is better on these rows**" in report
    assert "<details" not in report
    assert first["name"] == "origin main (schedule)"


def test_data_that_breaks_an_expectation_fails_the_run_with_its_lines(deployed: Deployed) -> None:
    deployed.made.source.write_text(GOOD.replace("a1-0,1,1", "a1-0,1,7"))
    state = deployed.made.branches()
    run = deployed.run_once()
    assert run["state_name"] == "Failed"
    assert run["state"]["message"] == (
        "split: exit status 1: python split.py; "
        "split | validate: y: 1 of 800 rows unexpected; expected one of 0, 1"
    )
    assert deployed.made.branches() == state


def test_the_token_of_a_block_is_seen_by_the_forge_alone(
    deployed: Deployed, stand_in: StandIn
) -> None:
    made = deployed.made
    made.source.write_text(GOOD)
    deployed.more = {"GITHUB_REPOSITORY": "o/r", "GITHUB_API_URL": stand_in.address}
    look = "str(os.environ) + subprocess.getoutput('ps -eww -o args')"
    deployed.before_training(
        f"import subprocess; open({str(made.folder / 'seen')!r}, 'w').write({look})"
    )
    save = (
        "import sys; from prefect.blocks.system import Secret; "
        "Secret(value=sys.stdin.read()).save('forge')"
    )
    subprocess.run(
        [sys.executable, "-c", save], input=TOKEN, text=True, env=deployed.environment, check=True
    )
    run = deployed.run_once(token_block="forge", publish="pr")
    assert run["state_name"] == "Promoted"
    assert (len(stand_in.pulls), stand_in.tokens) == (1, {f"Bearer {TOKEN}"})
    links = [v for k, v in deployed.artifacts(run).items() if k.endswith("-pull-request")]
    assert [{*re.findall(r"/pull/\d+", link)} for link in links] == [{"/pull/0"}]
    seen = (made.folder / "seen").read_text()
    assert "GITHUB_API_URL" in seen
    assert "train.py" in seen
    texts = [
        seen,
        str(run),
        (made.folder / "worker.log").read_text(),
        *map(str, deployed.artifacts(run).values()),
    ]
    texts += [str(post(deployed.api, "logs", limit=200, offset=n)) for n in (0, 200)]
    texts += [made.run("git", "log", "--all", "--patch", cwd=made.origin), str(stand_in.pulls)]
    assert [text for text in texts if TOKEN in text] == []
    assert subprocess.run(["grep", "-rq", TOKEN, made.folder], check=False).returncode == 1


def test_a_token_in_the_address_is_in_no_log_artifact_or_name(deployed: Deployed) -> None:
    """As the user of the address. Prefect itself shows the parameter, which the log says."""
    made = deployed.made
    made.source.write_text(GOOD)
    with serving_private(made.origin) as address:
        run = deployed.run_once(repository=address.replace("://", f"://{TOKEN}@"))
    assert run["state_name"] == "Promoted"
    logs = post(deployed.api, "logs", logs={"flow_run_id": {"any_": [run["id"]]}})
    assert "found a login in the address, which Prefect's pages show" in str(logs)
    run["parameters"].pop("repository")
    texts = [run, logs, deployed.artifacts(run), (made.folder / "worker.log").read_text()]
    assert [text for text in texts if TOKEN in str(text)] == []
    found = subprocess.run(["grep", "-rq", TOKEN, made.folder / "work"], check=False)
    assert found.returncode == 1


def test_a_cancelled_run_ends_its_commands_and_the_next_one_completes(deployed: Deployed) -> None:
    deployed.made.source.write_text(GOOD)
    training = deployed.waits_before_training()
    deployed.deploy(publish="branch")
    with deployed.worker():
        deployed.start()
        pid = training()
        state = {"state": {"type": "CANCELLING"}}
        (run,) = deployed.runs()
        httpx.post(
            f"{deployed.api}/flow_runs/{run['id']}/set_state", json=state, timeout=30
        ).raise_for_status()
        deployed.ended(1, {"CANCELLED"})
        answer = httpx.get(
            f"{deployed.api}/flow_run_states/", params={"flow_run_id": run["id"]}, timeout=30
        )
        assert "Crashed" not in [state["name"] for state in answer.json()]
        assert is_gone(pid)
        assert len(deployed.made.branches()) == 1
        deployed.start()
        *_, run = deployed.ended(2)
    assert run["state_name"] == "Promoted"
    assert len(deployed.made.branches()) == 2


def test_a_killed_worker_leaves_nothing_that_stops_the_next(deployed: Deployed) -> None:
    """With its flow run's process: the stage's command ends at once."""
    deployed.made.source.write_text(GOOD)
    training = deployed.waits_before_training()
    deployed.deploy(publish="branch", limit=None)
    with deployed.worker() as worker:
        deployed.start()
        pid = training()
        ours = [
            p
            for p in psutil.Process(worker.pid).children(recursive=True)
            if "prefect" in " ".join(p.cmdline())
        ]
        assert ours
        for process in (*ours, worker):
            process.kill()
    assert is_gone_soon(pid)
    with deployed.worker():
        deployed.start()
        (run,) = deployed.ended(1)  # the killed one is Running for ever
    assert run["state_name"] == "Promoted"
    assert is_gone(pid)
    assert len(deployed.made.branches()) == 2


def test_no_such_block_is_one_line(deployed: Deployed) -> None:
    run = deployed.run_once(token_block="nope")
    assert run["state_name"] == "Failed"
    assert run["state"]["message"] == (
        "token_block: found no Secret block 'nope'; expected the one with the token"
    )


def test_a_stage_whose_name_ends_another_is_not_taken_for_it() -> None:
    lines = {"in": ["fine"], "train": ["broke"], "split": ["broke too"]}
    errors = {"train": "exit status 1: x", "split": "timed out"}
    assert lines_of_failed(errors, lines) == ["train | broke", "split | broke too"]


@pytest.fixture
def told(deployed: Deployed, stand_in: StandIn) -> list[str]:
    """What the block `team` sends, in place of Slack to a server here."""
    flows = deployed.made.folder / "flows.py"
    flows.write_text(with_hook())
    address = stand_in.address.replace("http:", "json:")
    save = (
        "import sys; from prefect.blocks.notifications import SlackWebhook; "
        f"SlackWebhook(url={address + '/hook'!r}).save('team', overwrite=True)"
    )
    subprocess.run([sys.executable, "-c", save], env=deployed.environment, check=True)
    return stand_in.calls


def test_the_project_s_hook_hears_of_a_failure_and_of_that_of_its_stages(
    deployed: Deployed, told: list[str]
) -> None:
    """The example in pipeline/flows.py, in a copy: `retrain` runs the project's own `repro`."""
    deployed.made.source.write_text(GOOD.replace("a1-0,1,1", "a1-0,1,7"))
    run = deployed.run_once(entrypoint=f"{deployed.made.folder / 'flows.py'}:retrain")
    assert run["state_name"] == "Failed"
    assert told == ["POST /hook", "POST /hook"]


def test_the_project_s_hook_hears_of_a_promotion(deployed: Deployed, told: list[str]) -> None:
    deployed.made.source.write_text(GOOD)
    flows = deployed.made.folder / "flows.py"
    run = deployed.run_once(entrypoint=f"{flows}:retrain", publish="branch")
    assert run["state_name"] == "Promoted"
    assert told == ["POST /hook"]
