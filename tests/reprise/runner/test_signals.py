"""Test how a run ends by a signal or a kill, and what the next run does."""

import os
import signal
import sys

import pytest

from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, is_gone, make, stage, start, wait_for

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
