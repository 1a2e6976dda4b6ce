"""Test runs while somebody else writes to the repository: an editor, DVC, another run."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, meta, stage, start, wait_for

__all__ = ["make"]  # the fixture


def test_a_folder_edited_during_a_run_is_hashed_as_the_command_read_it(make: Make) -> None:
    made = make({}, {"src/x": "one\n"})
    pid = made.folder / "pid"
    stages = {
        "a": stage(f"touch {pid}; sleep 1; cat a.in > a", ["a.in"], "a"),
        "b": stage("cat src/x > b", ["a", "src"], "b"),
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made)
    wait_for(pid)
    made.edit({"src/x": "two\n"})
    process.communicate(timeout=60)
    assert (made.root / "b").read_text() == "two\n"
    made.edit({"src/x": "one\n"})
    assert "run        b  src modified" in made.run("reprise", "plan")


@pytest.mark.slow
def test_an_entry_that_another_run_renewed_stays(make: Make) -> None:
    made = make({})
    pid = made.folder / "pid"
    stages = {
        "a": {"cmd": "cat a.in > a", "deps": ["a.in"], "outs": [{"a": {"cache": False}}]},
        "z": stage(f"touch {pid}; sleep 4; cat other > z", ["other"], "z"),
    }
    made.edit({"other": "1\n", "dvc.yaml": text({"stages": stages})})
    process = start(made, "-j1")
    wait_for(pid)
    made.edit({"a.in": "2\n"})
    made.run("dvc", "repro", "a")
    process.communicate(timeout=60)
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_two_runs_at_once_share_the_work(make: Make) -> None:
    made = make({})
    runs = made.folder / "runs"
    stages = {
        f"s{i}": stage(f"echo s{i} >> {runs}; sleep 0.3; cat a.in > o{i}", ["a.in"], f"o{i}")
        for i in range(4)
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    both = [start(made, "-j2") for _ in range(2)]
    for process in both:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
    assert sorted(runs.read_text().split()) == ["s0", "s1", "s2", "s3"]
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_dvc_repro_meanwhile_is_safe(make: Make) -> None:
    made = make({})
    pid = made.folder / "pid"
    stages = {
        "slow": stage(f"touch {pid}; sleep 1; cat a.in > slow", ["a.in"], "slow"),
        "other": stage("cat a.in > other", ["a.in"], "other"),
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made, "slow")
    wait_for(pid)
    assert "is busy" in made.run("dvc", "repro", "slow", code=255)
    made.run("dvc", "repro", "other")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def leave_claim(root: Path, pid: int, age: float) -> None:
    """Leave a claim on the out `a` in the file of claims, as a run did that was killed."""
    file = root / ".dvc/tmp/rwlock"
    file.parent.mkdir(exist_ok=True)
    claim = {"pid": pid, "cmd": "dvc repro"}
    claims = {"write": {str(root / "a"): claim}, "read": {str(root / "a.in"): [claim]}}
    file.write_text(json.dumps(claims))
    now = file.stat().st_mtime
    os.utime(file, (now - age, now - age))


def test_a_claim_is_dead_when_its_process_started_later(make: Make) -> None:
    """After a reboot another process has the number of the one that was killed."""
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    with subprocess.Popen(["sleep", "100"]) as other:
        leave_claim(made.root, other.pid, age=60)
        output = made.run("reprise", "run")
        other.kill()
    assert f"dropped what 'dvc repro' (PID {other.pid}) had in use: it has ended" in output
    assert "waiting" not in output
    assert json.loads((made.root / ".dvc/tmp/rwlock").read_text()) == {}


def test_a_claim_of_a_process_that_nobody_waited_for_is_dead(make: Make) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    with subprocess.Popen(["true"]) as other:
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        leave_claim(made.root, other.pid, age=0)
        assert "1 ran" in made.run("reprise", "run")


OWN_CLAIM = """
import json, os, sys
from pathlib import Path
claim = {"pid": os.getpid(), "cmd": "dvc repro"}
Path(".dvc/tmp").mkdir(exist_ok=True)
Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(Path("a").resolve()): claim}}))
os.execv(sys.executable, [sys.executable, "-m", "reprise.cli", "run"])
"""


def test_a_claim_of_a_dead_process_with_our_number_is_dead(make: Make) -> None:
    """As in a container that was started again."""
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    assert "1 ran" in made.run(sys.executable, "-c", OWN_CLAIM)


def test_dead_claims_go_though_nothing_runs(make: Make) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    made.run("reprise", "run")
    leave_claim(made.root, 2**22 + 1, age=0)
    assert "1 unchanged" in made.run("reprise", "run")
    assert json.loads((made.root / ".dvc/tmp/rwlock").read_text()) == {}


def test_who_waits_says_for_whom_and_for_what(make: Make) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    leave_claim(made.root, os.getpid(), age=-1)
    process = start(made)
    assert process.stdout is not None
    for line in process.stdout:
        if "waiting" in line:
            break
    (made.root / ".dvc/tmp/rwlock").unlink()
    output, _ = process.communicate(timeout=60)
    assert line.strip() == (
        f"a: waiting for 'dvc repro' (PID {os.getpid()}), which uses a;"
        " if it has ended, remove .dvc/tmp/rwlock"
    )
    assert process.returncode == 0, output


@pytest.mark.parametrize("age", [0, 60])
def test_what_a_process_of_our_number_left_is_taken_over(make: Make, age: float) -> None:
    """A journal that is older than the process of its number is that of a killed run."""
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    made.run("reprise", "run", "--no-run-cache")
    journal = made.root / ".dvc/tmp/reprise/journal"
    with subprocess.Popen(["sleep", "100"]) as other:
        file = journal / f"{other.pid}.jsonl"
        file.touch()
        now = file.stat().st_mtime
        os.utime(file, (now - age, now - age))
        made.run("reprise", "run")
        assert file.exists() == (age == 0)
        other.kill()


CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--map-root-user"]


@pytest.mark.slow
def test_a_run_in_another_container_leaves_this_one_alone(make: Make) -> None:
    """To each the other's number of a process means nothing."""
    if subprocess.run([*CONTAINER, "true"]).returncode != 0:
        pytest.skip("found no right to make a namespace of processes; expected `unshare --pid`")
    made = make({})
    pid = made.folder / "pid"
    stages = {
        "a": stage(f"touch {pid}; sleep 2; cat a.in > a", ["a.in"], "a"),
        "b": stage("cat a.in > b", ["a.in"], "b"),
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made, "a")
    wait_for(pid)
    made.run(*CONTAINER, sys.executable, "-m", "reprise.cli", "run", "b")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_a_killed_run_s_number_is_free_again(make: Make) -> None:
    made = make({"a": stage("touch ../started; sleep 60", ["a.in"], "a", **meta(sandbox=False))})
    for _ in range(2):
        process = start(made)
        wait_for(made.folder / "started")
        (made.folder / "started").unlink()
        process.kill()
        process.communicate()
    made.edit({"dvc.yaml": text({"stages": {"a": stage("cat a.in > a", ["a.in"], "a")}})})
    made.run("reprise", "run")
    assert len(list((made.root / ".dvc/tmp/reprise/processes").iterdir())) <= 1


@pytest.mark.slow  # DVC waits for its lock
def test_claims_that_are_locked_by_another_do_not_fail_a_stage(make: Make) -> None:
    made = make(
        {
            "a": stage(
                "touch ../started; sleep 1; cat a.in > a", ["a.in"], "a", **meta(sandbox=False)
            )
        }
    )
    process = start(made)
    wait_for(made.folder / "started")
    with (made.root / ".dvc/tmp/rwlock.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as DVC does
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "a: done" in output
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_temporary_files_in_a_shared_cache_stay(make: Make) -> None:
    """They may be another project's, which is at work."""
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    shared = made.folder / "shared"
    made.run("dvc", "config", "cache.dir", str(shared))
    temporary = shared / "files/md5/ab" / f".{'A' * 22}.tmp"
    temporary.parent.mkdir(parents=True)
    temporary.write_text("of another")
    journal = made.root / ".dvc/tmp/reprise/journal/999999.jsonl"
    journal.parent.mkdir(parents=True)
    journal.touch()
    made.run("reprise", "run")
    assert temporary.exists()
    assert not journal.exists()
