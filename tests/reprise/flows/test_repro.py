"""The `repro` flow against a real Prefect server.

States, logs, retries, limits, cancelling, and DVC's own bytes.
"""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.reprise.corpus import Made
from tests.reprise.flows.prefect_server import (
    api,
    artifacts,
    flow,
    history,
    last_run,
    post,
    serving,
    states,
    task_runs,
)
from tests.reprise.runner.repository import Make, is_gone, make, meta, stage, start, wait_for

__all__ = ["api", "make"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]  # one server
CHAIN = {
    "a": stage("echo hello; cat a.in > a", ["a.in"], "a"),
    "b": stage("cat a > b", ["a"], "b"),
    "c": stage("cat a > c", ["a"], "c"),
}


def test_a_flow_leaves_the_lock_of_dvc_repro_and_names_what_became_of_each_stage(
    make: Make, api: str, tmp_path: Path, commands: str
) -> None:
    made = make(CHAIN)
    flow(made)
    assert states(api, 3) == {"a": "Completed", "b": "Completed", "c": "Completed"}
    ours = made.state()
    theirs = Made(tmp_path / "theirs", made.spec, commands).create()
    theirs.reproduce("dvc")
    assert ours["dvc.lock"] == theirs.state()["dvc.lock"]
    assert "Unchanged" in flow(made)
    assert last_run(api)["state_name"] == "Unchanged"
    assert states(api, 3) == {"a": "Unchanged", "b": "Unchanged", "c": "Unchanged"}
    for repo in (made, theirs):
        repo.edit({"a.in": "2\n"})
    flow(made)
    theirs.reproduce("dvc")
    assert made.state()["dvc.lock"] == theirs.state()["dvc.lock"]
    made.edit({"a.in": "1\n"})
    flow(made)
    assert states(api, 3) == {"a": "Restored", "b": "Restored", "c": "Restored"}
    assert last_run(api)["state_name"] == "Restored"


def test_each_stage_logs_in_its_own_task_run(make: Make, api: str) -> None:
    made = make({"a": stage("echo one; echo two; cat a.in > a", ["a.in"], "a")})
    flow(made)
    states(api, 1)
    run = task_runs(api)[0]["id"]
    logs = post(api, "logs", logs={"task_run_id": {"any_": [run]}}, sort="TIMESTAMP_ASC")
    assert [log["message"] for log in logs][:2] == ["one", "two"]


def test_artifacts_of_metrics_and_of_the_report_have_head_beside(make: Make, api: str) -> None:
    copy = {"cmd": "cp a.in m.json", "deps": ["a.in"], "metrics": [{"m.json": {"cache": False}}]}
    made = make({"a": copy}, {"a.in": '{"acc": 1}'})
    flow(made)
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "first")
    made.edit({"a.in": '{"acc": 2}'})
    made.run(sys.executable, "-c", "from reprise.flows.repro import repro; repro(report=True)")
    shown = artifacts(api)
    assert shown.keys() == {"repo-plan", "repo-metrics", "repo-report"}
    row = {"metric": "acc", "HEAD": "1", "now": "2", "difference": "+1", "verdict": "–"}
    assert json.loads(shown["repo-metrics"]["data"]) == [{**row, "file": "`m.json`"}]
    (step,) = json.loads(shown["repo-plan"]["data"])
    assert (step["stage"], step["state"], step["why"]) == ("a", "run", "`a.in` modified")
    assert step["last time"].endswith(" s")
    assert shown["repo-plan"]["description"] == "The plan: 1 run"
    assert "| acc | 1 | 2 | +1 |" in shown["repo-report"]["data"]
    assert "<details" not in shown["repo-report"]["data"]


def test_runs_are_named_and_tagged_and_say_in_words_how_they_ended(make: Make, api: str) -> None:
    """After a failure too: the last line that the command said, and not the command."""
    made = make(
        {
            "a": stage("cat a.in > a", ["a.in"], "a"),
            "b": stage("cat a; echo; echo no column x >&2; exit 3", ["a"], "b"),
        },
        {"prefect.yaml": "name: digits\n"},
    )
    made.run("git", "checkout", "-qb", "feature/x")
    assert "reprise: b: exit status 3: cat a; echo" in flow(made, 1)
    run = last_run(api)
    assert run["name"] == "digits feature/x (command line)"
    assert set(run["tags"]) == {"digits", "feature/x", "command line"}
    assert (run["state_name"], run["state"]["message"]) == ("Failed", "b: no column x")
    assert states(api, 2) == {"a": "Completed", "b": "Failed"}
    messages = {run["name"]: run["state"]["message"] for run in task_runs(api)}
    assert re.fullmatch(r"in \d+\.\d s", messages["a"])
    assert messages["b"] == "no column x"
    (failed,) = [run["id"] for run in task_runs(api) if run["name"] == "b"]
    logs = post(api, "logs", logs={"task_run_id": {"any_": [failed]}}, sort="TIMESTAMP_ASC")
    finished = "Finished in state Failed('no column x')"
    assert [log["message"] for log in logs] == ["1", "", "no column x", finished]
    made.run(sys.executable, "-c", "from reprise.flows.repro import repro; repro(['a'])")
    run = last_run(api)
    assert (run["name"], run["tags"]) == ("digits feature/x (Python)", [])
    assert (run["state_name"], run["state"]["message"]) == ("Unchanged", "1 unchanged")
    states(api, 1)
    (task,) = task_runs(api)
    assert task["state"]["message"] == "it was up to date"


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("['nope']", "Stage 'nope' not found inside 'dvc.yaml' file"),
        ("path='nope'", "path: found no folder nope; expected one in a DVC repository"),
        ("dask_address='x'", "--dask-address: found x with --runner threads; expected --runner"),
    ],
)
def test_what_a_user_can_cause_is_one_line_without_a_traceback(
    make: Make, api: str, parameters: str, said: str
) -> None:
    made = make(CHAIN)
    code = f"from reprise.flows.repro import repro; repro({parameters}, return_state=True)"
    made.run(sys.executable, "-c", code)
    state = last_run(api)["state"]
    assert state["name"] == "Failed"
    assert state["message"].startswith(said)
    logs = post(api, "logs", logs={"flow_run_id": {"any_": [last_run(api)["id"]]}})
    assert [log["message"] for log in logs if "Traceback" in log["message"]] == []


def test_a_stage_that_names_itself_is_named_once(make: Make, api: str) -> None:
    says = "echo 'a: no column x' >&2; exit 3"
    made = make({"a": stage(says, ["a.in"], "a"), "ab": stage(says, ["a.in"], "ab")})
    flow(made, 1, "-k", "-j1")
    assert last_run(api)["state"]["message"] == "a: no column x; ab: a: no column x"


def test_a_training_shows_its_progress(make: Make, api: str, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    folder = "folder=$(printenv REPRISE_TMP || echo .dvc/tmp/reprise)/live; mkdir -p $folder"
    live = f"{folder}; live=$folder/train.csv; echo epoch > $live"
    wait = f"for n in $(seq 600); do test -e {seen} && break; sleep 0.1; done"
    cmd = f"{live}; echo 1 >> $live; {wait}; cat a.in > a"
    train = stage(cmd, ["a.in"], "a", params=["train.epochs"])
    made = make({"train": train}, {"params.yaml": "train: {epochs: 4}\n"})
    found = set()
    with start(made, "--prefect") as process:
        while process.poll() is None:
            for artifact in post(api, "artifacts"):
                if artifact["key"] == "repo-train-progress":
                    found.add((artifact["data"], artifact["description"]))
            if (25, "epoch 1 of 4") in found:
                seen.touch()
            time.sleep(0.2)
    assert (25, "epoch 1 of 4") in found
    shown = artifacts(api)["repo-train-progress"]
    assert (shown["type"], shown["data"], shown["description"]) == ("progress", 100, "done")


def test_a_failing_stage_fails_its_task_run_and_keep_going_runs_the_rest(
    make: Make, api: str
) -> None:
    made = make(
        {
            "bad": stage("exit 3", ["a.in"], "bad"),
            "after": stage("cat bad > after", ["bad"], "after"),
            "other": stage("cat a.in > other", ["a.in"], "other"),
        }
    )
    assert "reprise: bad: exit status 3: exit 3" in flow(made, 1, "-k", "-j1")
    assert states(api, 2) == {"bad": "Failed", "other": "Completed"}
    assert "other" in (made.root / "dvc.lock").read_text()


def test_prefect_retries_and_a_timeout_is_named(make: Make, api: str, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    made = make(
        {
            "again": stage(
                f"test -e {flag} || {{ touch {flag}; exit 3; }}; cat a.in > again",
                ["a.in"],
                "again",
                **meta(retries=2, retry_delay=0.1),
            ),
            "slow": stage("sleep 60", ["a.in"], "slow", **meta(timeout=0.5)),
        }
    )
    flow(made, 1, "-k")
    assert states(api, 2) == {"again": "Completed", "slow": "TimedOut"}
    assert {run["name"]: run["run_count"] for run in task_runs(api)} == {"again": 2, "slow": 1}


def test_a_group_holds_between_flow_runs(make: Make, api: str, tmp_path: Path) -> None:
    """Two repositories: each stage fails if the other's runs."""
    lock, go = tmp_path / "one", tmp_path / "go"
    alone = f"mkdir {lock} && until test -e {go}; do sleep 0.05; done && rmdir {lock}"
    made = make({"a": stage(f"{alone} && cat a.in > a", ["a.in"], "a", **meta(group="gpu"))})
    other = Made(tmp_path / "other", made.spec, made.path).create()
    with start(made, "--prefect") as first, start(other, "--prefect") as second:
        for repo in (made, other):
            wait_for_task_run(repo)
        time.sleep(2)  # in which a command that needs no slot fails
        go.touch()
        outputs = first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    assert "ERROR" not in "".join(outputs)  # to wait is none


def test_a_limit_that_was_set_in_prefect_stays(make: Make, api: str) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a", **meta(group="mine"))})
    limit = {"name": "repo-mine", "limit": 3}
    httpx.post(f"{api}/v2/concurrency_limits/", json=limit, timeout=30).raise_for_status()
    assert "concurrency limit repo-mine: found 3 in Prefect, 1 in dvc.yaml; both hold" in flow(made)
    found = httpx.get(f"{api}/v2/concurrency_limits/repo-mine", timeout=30).json()
    assert (found["limit"], found["active_slots"]) == (3, 0)


def wait_for_task_run(made: Made) -> None:
    """Until one has the job, and takes its slot next."""
    for _ in range(400):
        if list((made.root / ".dvc/tmp/reprise/boxes").glob("*/claim-1")):
            return
        time.sleep(0.05)
    raise AssertionError("no task run took the job")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("session", ["", "setsid --wait "])
def test_a_signal_ends_the_commands_and_keeps_what_finished(
    make: Make, api: str, session: str, number: int
) -> None:
    made = make(
        {
            "good": stage("cat a.in > good", ["a.in"], "good"),
            "long": stage(
                f"{session}sh -c 'echo $$ > ../pid; cat good; sleep 100'",
                ["good"],
                "long",
                meta={"reprise": {"sandbox": False}},
            ),
        }
    )
    with start(made, "--prefect") as process:
        wait_for(made.folder / "pid")
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert history(api) == ["Pending", "Running", "Cancelled"]
    assert is_gone(int((made.folder / "pid").read_text()))
    assert "good" in (made.root / "dvc.lock").read_text()
    assert "long" not in (made.root / "dvc.lock").read_text()
    assert made.run("dvc", "status", "good").strip() == "Data and pipelines are up to date."


def test_a_signal_ends_the_pause_before_a_retry(make: Make, api: str) -> None:
    made = make(
        {"bad": stage("cat a.in; exit 3", ["a.in"], "bad", **meta(retries=1, retry_delay=3600))}
    )
    with start(made, "--prefect") as process:
        wait_for(made.root / ".dvc/tmp/reprise/logs/bad.log")
        for _ in range(100):
            runs = task_runs(api)
            if [run["state_name"] for run in runs] == ["Retrying"]:
                break
            time.sleep(0.1)
        assert [run["state_name"] for run in runs] == ["Retrying"]
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert states(api, 1) == {"bad": "Cancelled"}


def test_a_flow_retry_plans_again_and_runs_only_the_rest(
    make: Make, api: str, tmp_path: Path
) -> None:
    flag, count = tmp_path / "flag", tmp_path / "count"
    made = make(
        {
            "a": stage(f"echo x >> {count}; cat a.in > a", ["a.in"], "a"),
            "b": stage(f"test -e {flag} || {{ touch {flag}; exit 3; }}; cat a > b", ["a"], "b"),
        }
    )
    code = (
        "from reprise.flows.repro import repro\n"
        "assert repro.with_options(retries=1)(return_state=True).is_completed()"
    )
    made.run(sys.executable, "-c", code)
    assert count.read_text() == "x\n"
    assert last_run(api)["run_count"] == 2


def test_no_server_is_one_clear_line(make: Make, api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(CHAIN)
    monkeypatch.setenv("PREFECT_API_URL", "http://user:secret@127.0.0.1:1/api")
    output = flow(made, 1)
    assert output.startswith("reprise: PREFECT_API_URL: found no server at http://")
    assert "127.0.0.1:1/api (" in output
    assert "secret" not in output
    assert len(output.splitlines()) == 1


def test_a_server_that_dies_loses_no_result(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")  # else a minute a call
    go = tmp_path / "go"
    until = f"until test -e {go}; do sleep 0.05; done; cat a.in > a"
    made = make({"a": stage(until, ["a.in"], "a", **meta(group="g"))})
    with serving(tmp_path) as (_, server), start(made, "--prefect") as process:
        wait_for(made.root / ".dvc/tmp/reprise/logs/a.log", 60)
        os.killpg(server.pid, signal.SIGKILL)
        go.touch()
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "a:" in (made.root / "dvc.lock").read_text()
    assert "reprise: Prefect's server does not answer any more (" in output
    assert "the group's slot could not be given back" in output
