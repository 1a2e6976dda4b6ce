"""`--runner dask`: commands run in workers, leave the bytes of `dvc repro`, end with the run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.reprise.corpus import Made
from tests.reprise.flows.prefect_server import api, flow, post, states, task_runs
from tests.reprise.runner.repository import Make, is_gone, make, meta, stage, start, wait_for
from tests.reprise.sandbox.test_checkpoints import FILES

__all__ = ["api", "make"]  # fixtures
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]
DASK = ("--runner", "dask", "-j2")
# A command's parent is its guard, whose parent is the worker's starter.
WORKER = "$(ps -o ppid= -p $(ps -o ppid= -p $PPID))"


def diamond(folder: Path) -> dict[str, object]:
    """b and c run at a time, each in a process of its own; every command says in whose process."""
    said = f"echo {WORKER} >> {folder}/said"
    meet = f"touch {folder}/{{0}}; until test -e {folder}/{{1}}; do sleep 0.05; done"
    return {
        "a": stage(f"{said}; echo hello; cat a.in > a", ["a.in"], "a"),
        "b": stage(f"{said}; {meet.format('b', 'c')}; cat a > b", ["a"], "b"),
        "c": stage(f"{said}; {meet.format('c', 'b')}; cat a > c", ["a"], "c"),
        "d": stage("cat b c > d", ["b", "c"], "d"),
    }


def test_dask_workers_leave_the_lock_of_dvc_repro(
    make: Make, api: str, tmp_path: Path, commands: str
) -> None:
    made = make(diamond(tmp_path))
    flow(made, 0, *DASK)
    assert states(api, 4) == dict.fromkeys("abcd", "Completed")
    assert len(set((tmp_path / "said").read_text().split())) == 2
    theirs = Made(tmp_path / "theirs", made.spec, commands).create()  # finds that b and c met
    theirs.reproduce("dvc")
    assert made.state()["dvc.lock"] == theirs.state()["dvc.lock"]
    for repo in (made, theirs):
        repo.edit({"a.in": "2\n"})
    flow(made, 0, *DASK)
    theirs.reproduce("dvc")
    assert made.state()["dvc.lock"] == theirs.state()["dvc.lock"]
    flow(made, 0, *DASK)
    assert states(api, 4) == dict.fromkeys("abcd", "Unchanged")
    made.edit({"a.in": "1\n"})
    flow(made, 0, *DASK)
    assert states(api, 4) == dict.fromkeys("abcd", "Restored")


def test_a_failure_in_a_dask_worker_is_named_and_tried_again(
    make: Make, api: str, tmp_path: Path
) -> None:
    """Its task run keeps the only worker meanwhile, so no other stage may start."""
    flag = tmp_path / "flag"
    again = f"test -e {flag} || {{ touch {flag}; exit 3; }}; cat a.in > again"
    settings = meta(retries=2, retry_delay=1, group="dask")
    made = make(
        {
            "again": stage(again, ["a.in"], "again", **settings),
            "none": stage("echo a line", ["a.in"], "none"),
            "slow": stage("sleep 60", ["a.in"], "slow", **meta(timeout=0.5)),
        }
    )
    flow(made, 1, "-k", "--runner", "dask", "-j1")
    assert states(api, 3) == {"again": "Completed", "none": "Failed", "slow": "TimedOut"}
    runs = {run["name"]: run for run in task_runs(api)}
    assert {name: run["run_count"] for name, run in runs.items()} == {
        "again": 2,
        "none": 1,
        "slow": 1,
    }
    assert runs["none"]["state"]["message"] == "the command wrote no none"
    logs = post(
        api, "logs", logs={"task_run_id": {"any_": [runs["none"]["id"]]}}, sort="TIMESTAMP_ASC"
    )
    assert logs[0]["message"] == "a line"


@pytest.mark.parametrize("whole_group", [True, False])
def test_ctrl_c_ends_the_commands_in_dask_workers(make: Make, api: str, whole_group: bool) -> None:
    """From a terminal it comes to the workers as well."""
    made = make(
        {
            "good": stage("cat a.in > good", ["a.in"], "good"),
            "long": stage(
                "cat good; echo $$ > ../pid.new; mv ../pid.new ../pid; sleep 100; true",
                ["good"],
                "long",
                **meta(sandbox=False),
            ),
        }
    )
    with start(made, "--prefect", *DASK) as process:
        wait_for(made.folder / "pid", 60)
        ours = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert (
        psutil.wait_procs(ours, timeout=10)[1] == []
    )  # Python's own resource tracker ends a moment later
    assert "good" in (made.root / "dvc.lock").read_text()
    assert "long" not in (made.root / "dvc.lock").read_text()
    assert made.run("dvc", "status", "good").strip() == "Data and pipelines are up to date."
    assert states(api, 2) == {"good": "Completed", "long": "Cancelled"}


def test_a_killed_dask_worker_fails_its_stage_and_no_other(make: Make, api: str) -> None:
    kill = f"echo $$ > ../pid; sleep 1; kill -9 {WORKER}"
    made = make(
        {
            "hit": stage(f"{kill}; sleep 100; true", ["a.in"], "hit", **meta(sandbox=False)),
            "other": stage("cat a.in > other", ["a.in"], "other"),
        }
    )
    assert "hit: the process that ran the command ended" in flow(made, 1, "-k", *DASK)
    assert is_gone(int((made.folder / "pid").read_text()))
    assert states(api, 2) == {"hit": "Failed", "other": "Completed"}


CLUSTER = """
import distributed, sys
if __name__ == "__main__":
    with distributed.LocalCluster(n_workers=1, dashboard_address="127.0.0.1:0") as cluster:
        print(cluster.scheduler_address, cluster.workers[0].pid, flush=True)
        sys.stdin.read()
"""


HIDE = 'mount -t tmpfs none "$1" && shift && exec "$@"'


@contextmanager
def running_cluster(folder: Path, hidden: Path | None = None) -> Iterator[tuple[str, str]]:
    """Start a scheduler; yield its address, and the number of its one worker process.

    hidden: a folder that neither of them sees.
    """
    script = folder / "cluster.py"
    script.write_text(CLUSTER)
    command: list[str | Path] = [sys.executable, script]
    if hidden is not None:
        command = [
            "unshare",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            HIDE,
            "sh",
            hidden,
            *command,
        ]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        address, pid = process.stdout.readline().split()
        yield address, pid
        process.communicate()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, str]]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


def test_a_worker_that_does_not_see_the_folder_says_so(
    make: Make, api: str, tmp_path: Path
) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    with running_cluster(tmp_path, hidden=made.root) as (address, _):
        output = flow(made, 1, "--runner", "dask", "--dask-address", address)
    assert f"the worker ended, or found no {made.root.resolve()}" in output
    assert "expected this folder at the same path on every machine of the workers" in output


def test_an_existing_dask_cluster_runs_the_commands(
    make: Make, api: str, tmp_path: Path, cluster: tuple[str, str]
) -> None:
    address, pid = cluster
    made = make({"a": stage(f"echo {WORKER} > {tmp_path}/said; cat a.in > a", ["a.in"], "a")})
    flow(made, 0, "--runner", "dask", "--dask-address", address)
    assert (tmp_path / "said").read_text().strip() == pid
    assert states(api, 1) == {"a": "Completed"}


def test_a_killed_flow_leaves_no_command_in_an_existing_cluster(
    make: Make, api: str, tmp_path: Path, cluster: tuple[str, str]
) -> None:
    made = make(
        {
            "a": stage(
                f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 300",
                ["a.in"],
                "a",
            )
        }
    )
    with start(made, "--prefect", "--runner", "dask", "--dask-address", cluster[0]) as process:
        wait_for(tmp_path / "pid", 60)
        process.kill()
        process.communicate()
    command = psutil.Process(int((tmp_path / "pid").read_text()))
    assert psutil.wait_procs([command], timeout=10)[1] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--runner", "dask"], "found no Dask scheduler at 127.0.0.1:1"),
        ([], "found 127.0.0.1:1 with --runner threads; expected --runner dask"),
    ],
)
def test_no_dask_cluster_is_one_clear_line(
    make: Make, api: str, options: list[str], said: str
) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    lines = flow(made, 1, "--dask-address", "127.0.0.1:1", *options).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"reprise: --dask-address: {said}")


def test_no_dask_is_one_clear_line(make: Make, api: str) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    code = (
        "import sys; sys.modules['prefect_dask'] = None; from reprise.cli import main; "
        "main(['run', '--prefect', '--runner', 'dask'])"
    )
    said = "--runner dask: found no prefect_dask; expected: pip install 'dvc-reprise[dask]'"
    assert made.run(sys.executable, "-c", code, code=1) == f"reprise: {said}\n"


def test_dask_without_prefect_is_one_clear_line(make: Make) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    said = "--runner and --dask-address: found no --prefect; expected it: they are of a flow run"
    assert made.run("reprise", "run", "--runner", "dask", code=1) == f"reprise: {said}\n"


@pytest.mark.parametrize("kind", ["", "folder"])
@pytest.mark.parametrize("options", [DASK, ("--prefect",)], ids=["dask", "prefect"])
def test_a_killed_command_goes_on_from_what_it_kept(
    make: Make, api: str, options: tuple[str, ...], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_SANDBOX", kind)
    made = make({"s": stage("sh command.sh", ["a.in", "command.sh"], "out")}, FILES)
    flow(made, 1, *options)
    flow(made, 0, *options)
    kept = made.root / ".dvc/tmp/reprise/checkpoints/key"
    assert (kept / "lines").read_text() == "more\nmore\n"
