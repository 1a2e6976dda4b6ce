"""Test how a run ends by a signal or a kill, and what the next run does."""

import os
import pty
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import one_in
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, Run, is_gone, make, meta, stage, start, wait_for

__all__ = ["make"]  # the fixture


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_commands_and_keeps_what_finished(
    make: Make, number: int, status: int
) -> None:
    made = make({})
    pid = made.folder / "pid"
    stages = {
        "quick": stage("cat a.in > quick", ["a.in"], "quick"),
        "slow": stage(
            f"cat quick; echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 100; true",
            ["quick"],
            "slow",
        ),
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made)
    wait_for(pid)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in output
    assert is_gone(int(pid.read_text()))
    assert "quick:" in (made.root / "dvc.lock").read_text()
    assert not list((made.root / ".dvc/tmp/reprise/sandbox").iterdir())


def say_pid(file: Path) -> str:
    """Return a shell command that writes its process's number into the file, whole."""
    return f"echo $$ > {file}.new; mv {file}.new {file}"


def pid_in(file: Path) -> int:
    wait_for(file)
    return int(file.read_text())


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_closed_terminal_ends_the_commands(make: Make, jobs: int) -> None:
    made = make({})
    pids = [made.folder / f"pid{i}" for i in range(jobs)]
    stages = {"quick": stage("cat a.in > quick", ["a.in"], "quick")}
    for i, pid in enumerate(pids):
        stages[f"s{i}"] = stage(f"{say_pid(pid)}; sleep 100; true", ["quick"], f"s{i}")
    made.edit({"dvc.yaml": text({"stages": stages})})
    process, terminal = start_in_terminal(made, f"-j{jobs}")
    numbers = [pid_in(pid) for pid in pids]
    os.close(terminal)
    assert process.wait(30) == 129
    assert all(map(is_gone, numbers))
    assert "quick:" in (made.root / "dvc.lock").read_text()
    assert not list((made.root / ".dvc/tmp/reprise/sandbox").iterdir())
    assert not list((made.root / ".dvc/tmp/reprise/journal").iterdir())


def start_in_terminal(made: Made, *options: str) -> tuple[Run, int]:
    """Start `reprise run` in a terminal. Return it, and the descriptor of the terminal's window."""
    window, terminal = pty.openpty()
    process = Run(made, options, terminal)
    os.close(terminal)
    return process, window


IN_SESSIONS = {
    "setsid": "setsid --wait sh -c '{}; sleep 100; true'",
    "daemon": "(setsid sh -c '{}; sleep 100; true' >/dev/null 2>&1 &); sleep 100",
    "nohup": "nohup sh -c '{}; sleep 100; true' >/dev/null 2>&1 & sleep 100",
    "ignores signals": "setsid sh -c 'trap \"\" INT TERM HUP; {}; sleep 100; true' & wait",
}


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGKILL, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("sandbox", one_in(2, [True, False]))
def test_what_commands_start_in_sessions_of_their_own_ends_with_the_run(
    make: Make, number: int, sandbox: bool
) -> None:
    made = make({})
    stages = {}
    for i, cmd in enumerate(IN_SESSIONS.values()):
        cmd = cmd.format(say_pid(made.folder / f"pid{i}"))
        stages[f"s{i}"] = stage(cmd, ["a.in"], f"s{i}", **meta(sandbox=sandbox))
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made, "-j8")
    numbers = [pid_in(made.folder / f"pid{i}") for i in range(len(stages))]
    process.send_signal(number)
    process.communicate(timeout=60)
    wait_until_gone(numbers)


def wait_until_gone(pids: list[int]) -> None:
    """Wait a moment: who is killed can't wait for what it ends."""
    for _ in range(100):
        if all(map(is_gone, pids)):
            return
        time.sleep(0.05)
    raise AssertionError(f"still there: {pids}")


def test_what_commands_start_in_sessions_of_their_own_ends_with_the_time(make: Make) -> None:
    made = make({})
    cmd = IN_SESSIONS["daemon"].format(say_pid(made.folder / "pid"))
    made.edit({"dvc.yaml": text({"stages": {"s": stage(cmd, ["a.in"], "s", **meta(timeout=2))}})})
    assert "timed out after 2 s" in made.run("reprise", "run", code=1)
    assert is_gone(pid_in(made.folder / "pid"))


def test_what_a_stage_left_running_goes_on_after_it_as_with_dvc_repro(make: Make) -> None:
    made = make({})
    pids = [made.folder / "pid0", made.folder / "pid1"]
    cmd = f"setsid sh -c '{say_pid(pids[0])}; exec sleep 100' >/dev/null 2>&1 &"
    cmd = (
        f"{cmd} sh -c '{say_pid(pids[1])}; exec sleep 100' >/dev/null 2>&1 & sleep 1; cat a.in > s"
    )
    made.edit({"dvc.yaml": text({"stages": {"s": stage(cmd, ["a.in"], "s")}})})
    made.run("reprise", "run")
    for pid in map(pid_in, pids):
        assert not is_gone(pid)
        os.kill(pid, signal.SIGKILL)


def test_what_is_left_of_a_command_gets_time_to_end(make: Make) -> None:
    """Its shell ends at once; what it started, also in a session of its own, saves its work."""
    made = make({})
    saves = 'trap "sleep 1; echo saved > {file}; exit" TERM; {pid}; sleep 100 & wait'
    files = [made.folder / "saved0", made.folder / "saved1"]
    pids = [made.folder / "pid0", made.folder / "pid1"]
    first, second = (saves.format(file=f, pid=say_pid(p)) for f, p in zip(files, pids, strict=True))
    cmd = f"sh -c '{first}' & setsid sh -c '{second}' & sleep 100"
    made.edit({"dvc.yaml": text({"stages": {"s": stage(cmd, ["a.in"], "s")}})})
    process = start(made)
    for pid in pids:
        wait_for(pid)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert all(file.exists() for file in files)


def test_a_pipe_that_closes_ends_the_commands(make: Make) -> None:
    made = make({})
    pid = made.folder / "pid"
    sleeps = f"cat a.in; echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 100; true"
    made.edit(
        {
            "dvc.yaml": text(
                {
                    "stages": {
                        "s": stage(sleeps, ["a.in"], "s"),
                        "t": stage("sleep 1", ["a.in"], "t"),
                    }
                }
            )
        }
    )
    process = start(made, "-j2")
    wait_for(pid)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 1  # at the next line, which nobody reads
    assert is_gone(int(pid.read_text()))
    assert not list((made.root / ".dvc/tmp/reprise/sandbox").iterdir())


LOOPS = """
import os, signal, time
from reprise.process.signals import Interrupted
from reprise.runner.console import ConsoleReporter
from reprise.dvc import Repository
from reprise.runner.options import RunOptions
from reprise.runner.runner import Runner

ticks = 0

class Reporter(ConsoleReporter):
    def tick(self):
        global ticks
        ticks += 1
        if os.path.exists("interrupt"):
            time.sleep(1)  # in which the command ends
            os.kill(os.getpid(), signal.SIGINT)

with Repository() as repository:
    with repository.lock(print):
        stages = repository.collect_stages([])
    try:
        Runner(repository, stages, RunOptions(jobs=1), Reporter()).run()
    except Interrupted:
        print("interrupted")
print("ticks", ticks)
"""


def test_a_run_waits_while_all_jobs_are_taken(make: Make) -> None:
    made = make({name: stage(f"sleep 1; cat a.in > {name}", ["a.in"], name) for name in "ab"})
    output = made.run(sys.executable, "-c", LOOPS)
    assert int(output.split("ticks ")[1]) < 100  # ten a second; without a pause thousands


@pytest.mark.parametrize("number", one_in(2, [signal.SIGINT, signal.SIGTERM]))
def test_what_finished_before_a_signal_is_recorded_as_dvc_repro_records_it(
    make: Make, tmp_path: Path, commands: str, number: int
) -> None:
    """In the order of dvc.yaml, though it finished in another."""
    made = make({})
    names = ["s0", "s1", "s2", "s3"]
    stages = {"slow": stage("cat a.in; sleep 100; true", ["a.in"], "slow")}
    for i, name in enumerate(names):
        cmd = f"sleep {0.6 - i * 0.2:.1f}; cat a.in > {name}"
        stages[name] = stage(cmd, ["a.in"], name)
    made.edit({"dvc.yaml": text({"stages": stages})})
    theirs = Made(tmp_path / "theirs", made.spec, commands).create()
    theirs.edit({"dvc.yaml": text({"stages": stages})})
    theirs.run("dvc", "repro", *names)
    with start(made, "-j5") as process:
        journal = made.root / ".dvc/tmp/reprise/journal" / f"{process.pid}.jsonl"
        for _ in range(400):
            if journal.exists() and journal.read_text().count("\n") == len(names):
                break
            time.sleep(0.05)
        process.send_signal(number)
        process.communicate(timeout=60)
    for file in ("dvc.lock", ".gitignore"):
        assert (made.root / file).read_bytes() == (theirs.root / file).read_bytes()


def test_an_interrupt_keeps_a_command_that_has_just_ended(make: Make) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")}, {"interrupt": ""})
    assert "interrupted" in made.run(sys.executable, "-c", LOOPS)
    assert "unchanged  a" in made.run("reprise", "plan")


def test_after_a_kill_nothing_finished_runs_again(make: Make) -> None:
    made = make({})
    runs, pid = made.folder / "runs", made.folder / "pid"
    stages = {
        "quick": stage(f"echo quick >> {runs}; cat a.in > quick", ["a.in"], "quick"),
        "slow": stage(
            f"echo slow >> {runs}; echo $$ > {pid}; "
            f"test -e {made.folder}/go || sleep 100; cat quick > slow",
            ["quick"],
            "slow",
        ),
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made)
    wait_for(pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (made.root / "dvc.lock").exists()
    orphan = int(pid.read_text())
    (made.folder / "go").touch()
    assert "unchanged  quick" in made.run("reprise", "plan")
    output = made.run("reprise", "run")
    assert "1 ran, 1 unchanged" in output
    assert runs.read_text() == "quick\nslow\nslow\n"
    assert is_gone(orphan)
    assert "quick:" in (made.root / "dvc.lock").read_text()
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_a_killed_run_is_remembered_by_runs_of_other_stages(make: Make) -> None:
    made = make({})
    pid = made.folder / "pid"
    stages = {
        "a": {"cmd": "cat a.in > a", "deps": ["a.in"], "outs": [{"a": {"cache": False}}]},
        "b": stage(f"cat a > b; touch {pid}; sleep 100", ["a"], "b"),
        "c": stage("cat a.in > c", ["a.in"], "c"),
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made, "b")
    wait_for(pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert "1 ran" in made.run("reprise", "run", "c")
    assert "1 unchanged" in made.run("reprise", "run", "a")
    assert "a:" in (made.root / "dvc.lock").read_text()
