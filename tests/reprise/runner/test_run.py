"""How `reprise run` behaves: failures, settings, signals, kills, two at once, errors."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.reprise.corpus import REPOSITORIES, Made
from tests.reprise.random_dags import text

Make = Any


@pytest.fixture
def make(tmp_path: Path, commands: str) -> Make:
    """make(stages, files) → a repository."""

    def made(stages: dict[str, Any], files: dict[str, str] | None = None) -> Made:
        spec = {"files": {"a.in": "1\n", **(files or {}), "dvc.yaml": text({"stages": stages})}}
        return Made(tmp_path, spec, commands).create()

    return made


def stage(cmd: str, deps: list[str], out: str, **more: Any) -> dict[str, Any]:
    return {"cmd": cmd, "deps": deps, "outs": [out], **more}


def meta(**settings: Any) -> dict[str, Any]:
    return {"meta": {"reprise": settings}}


def start(made: Made, *options: str) -> subprocess.Popen[str]:
    """`reprise run` in a process group of its own, which takes signals as from a terminal."""
    env = {
        **os.environ,
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(made.folder.parent / "site"),
    }
    command = [sys.executable, "-m", "reprise.cli", "run", *options]
    return subprocess.Popen(
        command, cwd=made.root, env=env, text=True, stdout=-1, stderr=-2, start_new_session=True
    )


def wait_for(path: Path, seconds: float = 20) -> None:
    for _ in range(int(seconds * 20)):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def is_gone(pid: int) -> bool:
    """Ended, if perhaps not yet waited for."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


# Failures


def test_a_failure_skips_what_depends_on_it_and_keeps_what_finished(make: Make) -> None:
    made = make(
        {
            "good": stage("cat a.in > good", ["a.in"], "good"),
            "bad": stage("cat good; echo half > bad; exit 3", ["good"], "bad"),
            "after": stage("cat bad > after", ["bad"], "after"),
        }
    )
    output = made.run("reprise", "run", code=1)
    assert "bad: failed: exit status 3: cat good; echo half > bad; exit 3" in output
    assert "1 ran, 1 failed, 1 skipped" in output
    assert (made.root / "bad").read_text() == "half\n"  # to read
    assert "good" in (made.root / "dvc.lock").read_text()
    assert "bad:" not in (made.root / "dvc.lock").read_text()
    assert "1 unchanged, 1 failed, 1 skipped" in made.run("reprise", "run", code=1)


def test_keep_going_runs_what_does_not_depend_on_the_failure(make: Make) -> None:
    made = make(
        {
            "bad": stage("exit 1", ["a.in"], "bad"),
            "after": stage("cat bad > after", ["bad"], "after"),
            "x": stage("cat a.in > x", ["a.in"], "x"),
            "y": stage("cat x > y", ["x"], "y"),
        }
    )
    assert "2 ran, 1 failed, 1 skipped" in made.run("reprise", "run", "-k", "-j1", code=1)
    assert (made.root / "y").read_text() == "1\n"


def test_a_missing_output_fails_the_stage(make: Make) -> None:
    made = make({"make": stage("true", ["a.in"], "out")})
    assert "make: failed: the command wrote no out" in made.run("reprise", "run", code=1)


def test_a_missing_dependency_fails_the_stage(make: Make) -> None:
    made = make({"make": stage("cat none > out", ["none"], "out")})
    assert "make: failed: dependency 'none' does not exist" in made.run("reprise", "run", code=1)


def test_what_a_command_leaves_beside_its_outs_is_reported(make: Make) -> None:
    made = make({"make": stage("echo > log.txt; cat a.in > out", ["a.in"], "out")})
    assert "make: left log.txt, which no out names: not kept" in made.run("reprise", "run")
    assert not (made.root / "log.txt").exists()


def test_output_is_shown_by_stage_and_kept_in_a_file(make: Make) -> None:
    made = make({"make": stage("echo one; echo two >&2; cat a.in > out", ["a.in"], "out")})
    output = made.run("reprise", "run")
    assert "make | one\n" in output
    assert "make | two\n" in output
    assert (made.root / ".dvc/tmp/reprise/logs/make.log").read_text() == "one\ntwo\n"


# meta.reprise


def test_a_stage_is_tried_again_after_a_failure(make: Make) -> None:
    count = "echo x >> {0}/tries; test $(wc -l < {0}/tries) = 3 && cat a.in > out"
    made = make({})
    command = count.format(made.folder)
    made.edit(
        {
            "dvc.yaml": text(
                {
                    "stages": {
                        "make": stage(command, ["a.in"], "out", **meta(retries=2, retry_delay=0.1))
                    }
                }
            )
        }
    )
    output = made.run("reprise", "run")
    assert "attempt 2 of 3 in 0.1 s" in output
    assert "attempt 3 of 3 in 0.2 s" in output
    assert "1 ran" in output


def test_a_stage_that_takes_too_long_is_ended_with_its_children(make: Make) -> None:
    made = make(
        {
            "make": stage(
                "sleep 100 & sleep 100; cat a.in > out", ["a.in"], "out", **meta(timeout=0.5)
            )
        }
    )
    start = time.monotonic()
    assert "make: failed: timed out after 0.5 s" in made.run("reprise", "run", code=1)
    assert time.monotonic() - start < 20
    assert not list((made.root / ".dvc/tmp/reprise/sandbox").iterdir())


def test_at_most_limit_stages_of_a_group_run_at_a_time(make: Make) -> None:
    made = make({})
    command = f"mkdir {made.folder}/busy && sleep 0.2 && rmdir {made.folder}/busy && cat a.in > "
    stages = {
        f"s{i}": stage(f"{command} o{i}", ["a.in"], f"o{i}", **meta(group="gpu")) for i in range(4)
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    assert "4 ran" in made.run("reprise", "run", "-j4")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"retrys": 1}, "meta.reprise.retrys: found 1; expected one of sandbox, retries"),
        (
            {"retries": -1},
            "meta.reprise.retries: found -1; expected input should be greater than or equal to 0",
        ),
        (
            {"timeout": "1h"},
            "meta.reprise.timeout: found '1h'; expected input should be a valid number",
        ),
        ({"sandbox": 0}, "meta.reprise.sandbox: found 0; expected input should be a valid boolean"),
        ("yes", "meta.reprise: found 'yes'; expected a mapping"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(
    make: Make, settings: Any, said: str
) -> None:
    bad = stage("cat x > y", ["x"], "y", meta={"reprise": settings})
    made = make({"x": stage("cat a.in > x", ["a.in"], "x"), "y": bad})
    output = made.run("reprise", "run", code=1)
    assert output.startswith(f"reprise: dvc.yaml: stage 'y': {said}")
    assert output.count("\n") == 1
    assert not (made.root / "x").exists()


def test_without_a_sandbox_a_command_runs_in_the_workspace(make: Make) -> None:
    made = make(
        {"make": stage("cat other > out", ["a.in"], "out", **meta(sandbox=False))}, {"other": "2\n"}
    )
    made.run("reprise", "run")
    assert (made.root / "out").read_text() == "2\n"
    made.edit({"dvc.yaml": text({"stages": {"make": stage("cat other > out", ["a.in"], "out")}})})
    made.run("reprise", "run", "-f", code=1)
    made.run("reprise", "run", "-f", "--no-sandbox")


# Signals and kills


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
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

repository = Repository()
with repository.lock(print):
    stages = repository.steps([])
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
            f"echo slow >> {runs}; echo $$ > {pid}; test -e {made.folder}/go || sleep 100; cat quick > slow",
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


def test_a_cut_off_line_of_history_costs_that_line_alone(make: Make) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    made.run("reprise", "run")
    history = made.root / ".dvc/tmp/reprise/history.jsonl"
    history.write_text(history.read_text() + '["a", 1.')
    made.run("reprise", "run", "-f")
    made.run("reprise", "plan")
    assert history.read_text().splitlines()[1] == '["a", 1.'
    assert len(history.read_text().splitlines()) == 3


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


def test_a_command_that_can_not_be_started_fails_its_stage(make: Make) -> None:
    made = make({"a": stage("printf '\0' > o", ["a.in"], "o")})
    assert "a: failed: embedded null byte" in made.run("reprise", "run", code=1)


# Two at once


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


# Errors


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"dvc.yaml": "stages: ["}, "dvc.yaml"),
        ({"dvc.yaml": "stages: {a: {cmd: 1, what: 2}}\n"}, "dvc.yaml"),
        (
            {
                "dvc.yaml": text(
                    {"stages": {"a": stage("x", ["b"], "c"), "b": stage("x", ["c"], "b")}}
                )
            },
            "both a dependency and an output",
        ),
        (
            {
                "dvc.yaml": text(
                    {"stages": {"a": stage("x", ["i"], "o"), "b": stage("x", ["i"], "o")}}
                )
            },
            "'o'",
        ),
        (
            {
                "dvc.yaml": text(
                    {"stages": {"a": stage("x", ["i"], "o"), "b": stage("x", ["i"], "o/p")}}
                )
            },
            "o",
        ),
        ({"dvc.yaml": text({"stages": {"a": stage("echo ${none}", ["i"], "o")}})}, "none"),
        ({"dvc.lock": "schema: '2.0'\nstages: [\n"}, "dvc.lock"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_bad_pipeline_is_one_line(
    make: Make, command: str, files: dict[str, str], said: str
) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    made.edit(files)
    before = made.state()
    output = made.run("reprise", command, code=1)
    assert output.startswith("reprise: ")
    assert said in output
    assert output.count("\n") == 1, output
    assert made.state() == before


def test_a_folder_without_dvc_is_one_line(tmp_path: Path, commands: str) -> None:
    made = Made(tmp_path, {}, commands)
    made.root.mkdir()
    assert made.run("reprise", "run", code=1).startswith(
        "reprise: you are not inside of a DVC repository"
    )
    assert (
        made.run("reprise", "plan", "-C", "none", code=1)
        == "reprise: none: No such file or directory\n"
    )


def test_an_unknown_target_is_one_line(make: Make) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    assert (
        made.run("reprise", "run", "b", code=1)
        == "reprise: Stage 'b' not found inside 'dvc.yaml' file\n"
    )


def test_history_gives_the_time_a_stage_took(make: Make) -> None:
    made = make({"a": stage("sleep 0.3; cat a.in > o", ["a.in"], "o")})
    made.run("reprise", "run")
    made.edit({"a.in": "2\n"})
    plan = json.loads(made.run("reprise", "plan", "--json"))
    assert plan["stages"][0]["seconds"] == pytest.approx(0.3, abs=0.25)


def test_a_missing_params_key_fails_the_stage(make: Make) -> None:
    made = make(
        {"a": stage("cat a.in > o", ["a.in"], "o", params=["lr"])}, {"params.yaml": "x: 1\n"}
    )
    made.run("reprise", "plan")
    assert "a: failed: Parameters 'lr' are missing from 'params.yaml'." in made.run(
        "reprise", "run", code=1
    )


def test_missing_data_is_pulled(make: Make) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o"), "b": stage("cat o > p", ["o"], "p")})
    made.run("dvc", "remote", "add", "-d", "r", str(made.folder / "remote"))
    made.run("reprise", "run")
    made.run("dvc", "push")
    for name in ("o", "p"):
        (made.root / name).unlink()
    made.run("rm", "-rf", ".dvc/cache")
    output = made.run("reprise", "run", "--pull")
    assert "2 unchanged" in output
    assert (made.root / "p").read_text() == "1\n"


def test_corpus_has_at_least_30_repositories() -> None:
    assert len(REPOSITORIES) >= 30
