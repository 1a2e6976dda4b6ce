"""Run with each option of `dvc repro`, and compare what both commands leave."""

import argparse
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.cli.parser import get_main_parser

from tests.conftest import ROOT, one_in
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # the fixture

TABLE = ROOT / "docs" / "repro-options.md"
MakePair = Callable[..., tuple[Made, Made]]
CHAIN = {
    "one": stage("cat a.in > one.txt", ["a.in"], "one.txt"),
    "two": stage("cat one.txt > two.txt", ["one.txt"], "two.txt"),
    "three": stage("cat two.txt > three.txt", ["two.txt"], "three.txt"),
}
OTHER = {"four": stage("echo 4 > four.txt", ["a.in"], "four.txt")}
SUB = {
    "sub/dvc.yaml": text(
        {
            "stages": {
                "five": stage("cat ../two.txt > five.txt", ["../two.txt"], "five.txt"),
                "six": stage("cat five.txt > six.txt", ["five.txt"], "six.txt"),
            }
        }
    )
}


@pytest.fixture
def make_pair(tmp_path: Path, commands: str) -> MakePair:
    """Return a function that makes one repository twice: for `dvc repro` and for `reprise run`."""

    def make_both(stages: dict[str, Any], files: dict[str, str] | None = None) -> Any:
        spec = {"files": {"a.in": "1\n", **(files or {}), "dvc.yaml": text({"stages": stages})}}
        return [Made(tmp_path / name, spec, commands).create() for name in ("dvc", "reprise")]

    return make_both


def do(pair: tuple[Made, Made], *command: str, code: int | None = 0) -> None:
    """Run a command in both repositories."""
    for made in pair:
        made.run(*command, code=code)


def edit(pair: tuple[Made, Made], files: dict[str, str | None]) -> None:
    for made in pair:
        made.edit(files)


def compare(pair: tuple[Made, Made], *options: str, fails: bool = False) -> str:
    """Check that both commands leave the same with the options; return what ours printed.

    After a failure, DVC has not written the lines of .gitignore, of whatever ran.
    """
    theirs, ours = pair
    theirs.run("dvc", "repro", *options, code=255 if fails else 0)
    output = ours.run("reprise", "run", "-j2", *options, code=1 if fails else 0)
    left, expected = ours.state(), theirs.state()
    if fails:
        left.pop(".gitignore", None)
        expected.pop(".gitignore", None)
    assert left == expected
    return output


# Which stages


@pytest.mark.parametrize(
    "options",
    one_in(
        4,
        [
            "",
            "two",
            "sub/dvc.yaml:five",
            "sub/dvc.yaml",
            "-p two",
            "--pipeline -s sub/dvc.yaml:five",
            "-p four",
            "-P",
            "--all-pipelines -s four",
            "--downstream one",
            "-R sub",
            "--recursive .",
            "-R four",
            "--glob t*",
            "--glob sub/dvc.yaml:f* four",
            "-s one four",
            "--single-item -R .",
        ],
    ),
)
def test_targets_choose_the_stages_of_dvc_repro(make_pair: MakePair, options: str) -> None:
    compare(make_pair({**CHAIN, **OTHER}, SUB), *options.split())


def test_a_stage_wins_over_an_out_of_its_name(make_pair: MakePair) -> None:
    stages = {
        "a": stage("cat a.in > b", ["a.in"], "b"),
        "b": stage("cat b > c", ["b"], "c"),
        "c": stage("cat c > d", ["c"], "d"),
    }
    pair = make_pair(stages)
    compare(pair, "b")
    assert (pair[1].root / "c").exists()
    assert not (pair[1].root / "d").exists()


@pytest.mark.parametrize(
    ("options", "names"), [(["--glob", "x*", "y*"], "x*, y*"), (["-R", "empty"], "empty")]
)
def test_targets_that_hold_no_stage_are_refused(make: Make, options: list[str], names: str) -> None:
    made = make(CHAIN, {"empty/file": ""})
    line = f"reprise: found no stage in {names}; expected one, or dvc repro runs them all\n"
    assert made.run("reprise", "run", *options, code=1) == line


# What counts as changed


def test_a_stage_that_never_ran_is_run_with_allow_missing(make: Make) -> None:
    assert "4 ran" in make({**CHAIN, **OTHER}).run("reprise", "run", "--allow-missing")


def test_missing_data_alone_run_nothing_with_allow_missing(make_pair: MakePair) -> None:
    pair = make_pair(CHAIN)
    compare(pair)
    do(pair, "rm", "-rf", ".dvc/cache", "one.txt", "two.txt")
    plan = pair[1].run("reprise", "plan", "--allow-missing")
    assert plan == "  unchanged  one, two, three\n"
    assert "3 unchanged" in compare(pair, "--allow-missing")
    assert not (pair[1].root / "one.txt").exists()


def test_allow_missing_runs_what_depends_on_other_data_than_it_did(make_pair: MakePair) -> None:
    pair = make_pair(CHAIN)
    compare(pair)
    edit(pair, {"a.in": "2\n"})
    compare(pair, "one")
    do(pair, "rm", "-f", "one.txt", "two.txt", "three.txt")
    assert "run        two" in pair[1].run("reprise", "plan", "--allow-missing")
    compare(pair, "--allow-missing", fails=True)  # two's dep is not there


def test_allow_missing_heeds_data_sources(make_pair: MakePair) -> None:
    pair = make_pair(CHAIN)
    do(pair, "dvc", "add", "-q", "a.in")
    compare(pair)
    do(pair, "rm", "-rf", "a.in", ".dvc/cache")
    assert "4 unchanged" in compare(pair, "--allow-missing")


@pytest.mark.slow
def test_a_stage_that_ran_forces_those_below_with_force_downstream(make_pair: MakePair) -> None:
    stages = {
        **CHAIN,
        "one": stage("true < a.in; echo 1 > one.txt", ["a.in"], "one.txt"),
        **OTHER,
    }
    pair = make_pair(stages)
    compare(pair)
    edit(pair, {"a.in": "2\n"})
    assert "run        two    forced by one" in pair[1].run("reprise", "plan", "--force-downstream")
    output = compare(pair, "--force-downstream", "three")
    assert "3 ran" in output
    edit(pair, {"a.in": "1\n"})
    output = compare(pair, "--force-downstream", "three")
    assert "2 ran, 1 restored" in output


@pytest.mark.slow
def test_the_run_cache_is_left_alone_with_no_run_cache(make_pair: MakePair) -> None:
    pair = make_pair(CHAIN)
    compare(pair)
    edit(pair, {"a.in": "2\n"})
    compare(pair)
    edit(pair, {"a.in": "1\n"})
    assert "restored   one" in pair[1].run("reprise", "plan")
    assert "restored" not in pair[1].run("reprise", "plan", "--no-run-cache")
    assert "3 ran" in compare(pair, "--no-run-cache")
    do(pair, "rm", "-f", "two.txt")
    assert "1 restored, 2 unchanged" in compare(pair, "--no-run-cache")  # by dvc.lock


def test_forced_data_sources_are_saved_again(make_pair: MakePair) -> None:
    pair = make_pair(CHAIN)
    do(pair, "dvc", "add", "-q", "a.in")
    compare(pair)
    assert "4 ran" in compare(pair, "-f")
    do(pair, "rm", "-f", "a.in")
    compare(pair, "--force", "a.in.dvc", fails=True)


# Deps without a local file

DATASETS: dict[str, str | None] = {
    "dvc.yaml": text(
        {
            "datasets": [{"name": "rows", "type": "dc", "url": "dc://rows"}],
            "stages": {
                "first": {"cmd": "echo 1 > first", "deps": ["ds://rows"], "outs": ["first"]},
                "second": {"cmd": "cat first > second", "deps": ["first"], "outs": ["second"]},
            },
        }
    ),
}


def dataset_lock(version: int) -> str:
    lock = {"name": "rows", "type": "dc", "url": "dc://rows", "version": version}
    created = "2026-01-01T00:00:00+00:00"
    return text({"schema": "2.0", "datasets": [{**lock, "created_at": created}]})


def test_a_dataset_is_a_dep(make_pair: MakePair) -> None:
    pair = make_pair({})
    edit(pair, {**DATASETS, "dvc.lock": dataset_lock(1)})
    assert "2 ran" in compare(pair)
    assert pair[1].run("reprise", "plan") == "  unchanged  first, second\n"
    lock = (pair[1].root / "dvc.lock").read_text().replace("version: 1", "version: 2", 1)
    edit(pair, {"dvc.lock": lock})
    assert "ds://rows modified" in compare(pair)


def test_a_dataset_without_a_lock_fails_its_stage_alone(make_pair: MakePair) -> None:
    pair = make_pair({})
    edit(pair, DATASETS)
    output = compare(pair, fails=True)
    assert "first: failed: Dataset information missing from dvc.lock file" in output


@pytest.mark.slow
def test_an_import_from_another_repository_is_no_local_dep(make_pair: MakePair) -> None:
    pair = make_pair({"use": stage("cat data > o", ["data"], "o")})
    source = Made(
        pair[0].folder.parent / "source", {"files": {"data": "1\n"}}, pair[0].path
    ).create()
    source.run("git", "add", "-A")
    source.run("git", "commit", "-qm", "data")
    do(pair, "dvc", "import", "-q", str(source.root), "data")
    do(pair, "dvc", "unfreeze", "data.dvc")
    assert "1 ran, 1 unchanged" in compare(pair)
    assert "2 ran" in compare(pair, "-f")


# Errors

BROKEN = {
    "bad": stage("exit 3", ["a.in"], "bad.txt"),
    "below": stage("cat bad.txt > below.txt", ["bad.txt"], "below.txt"),
    "good": stage("cat a.in > good.txt", ["a.in"], "good.txt"),
    "best": stage("cat good.txt > best.txt", ["good.txt"], "best.txt"),
}


@pytest.mark.parametrize(
    ("options", "fails"),
    one_in(
        3,
        [
            ("-s bad good", True),
            ("-s -k bad good", True),
            ("-s --ignore-errors bad good", False),
            ("--keep-going", True),
            ("--ignore-errors", False),
            ("--ignore-errors -k", True),
            ("-k --ignore-errors", False),
        ],
    ),
)
def test_what_runs_after_a_failure(make_pair: MakePair, options: str, fails: bool) -> None:
    compare(make_pair(BROKEN), *options.split(), fails=fails)


def test_ignored_errors_are_shown(make: Make) -> None:
    output = make(BROKEN).run("reprise", "run", "--ignore-errors", "-j1")
    assert "bad: failed: exit status 3" in output
    assert "below: failed: dependency 'bad.txt' does not exist" in output
    assert "2 ran, 2 failed" in output


# The cache


def test_nothing_gets_into_the_cache_with_no_commit(make_pair: MakePair) -> None:
    pair = make_pair(CHAIN)
    do(pair, "dvc", "add", "-q", "a.in")
    do(pair, "rm", "-rf", ".dvc/cache")
    compare(pair, "--no-commit")
    assert not (pair[1].root / ".dvc/cache").exists()
    compare(pair)


@pytest.mark.slow
def test_no_commit_restores_what_the_cache_has(make_pair: MakePair) -> None:
    pair = make_pair(CHAIN)
    compare(pair)
    edit(pair, {"a.in": "2\n"})
    compare(pair)
    edit(pair, {"a.in": "1\n"})
    assert "3 restored" in compare(pair, "--no-commit")


# The remote


@pytest.mark.slow
def test_only_the_runs_of_the_stages_are_pulled(make: Make) -> None:
    made = make(CHAIN)
    made.run("dvc", "remote", "add", "-d", "r", str(made.folder / "remote"))
    for text_ in ("1\n", "2\n", "3\n"):
        made.edit({"a.in": text_})
        made.run("reprise", "run")
        made.run("dvc", "push", "--run-cache")
    made.run("rm", "-rf", ".dvc/cache", "dvc.lock", "one.txt", "two.txt", "three.txt")
    made.edit({"a.in": "2\n"})
    assert "3 restored" in made.run("reprise", "run", "--pull")
    assert (made.root / "three.txt").read_text() == "2\n"
    assert len([*(made.root / ".dvc/cache/runs").glob("*/*/*")]) == 3


def test_pull_goes_on_without_a_remote(make: Make) -> None:
    made = make(CHAIN)
    output = made.run("reprise", "run", "--pull")
    assert output.count("no runs are pulled: config file error: no remote specified") == 1
    assert "3 ran" in output
    made.run("rm", "-f", "two.txt", "dvc.lock")
    assert "3 restored" in made.run("reprise", "run", "--pull")
    assert "no runs" not in made.run("reprise", "run", "--pull", "--no-run-cache")


def test_pull_goes_on_where_the_remote_has_no_runs(make: Make) -> None:
    made = make(CHAIN)
    made.run("dvc", "remote", "add", "-d", "r", str(made.folder / "remote"))
    made.run("reprise", "run")
    made.run("dvc", "push")
    made.run("rm", "-rf", ".dvc/cache", "one.txt")
    output = made.run("reprise", "run", "--pull")
    assert "no runs" not in output
    assert "3 unchanged" in output


def test_a_remote_on_http_has_no_runs_and_that_is_said_once(make: Make) -> None:
    made = make(CHAIN)
    made.run("dvc", "remote", "add", "-d", "r", "http://127.0.0.1:9/remote")
    output = made.run("reprise", "run", "--pull")
    assert output.count("no runs are pulled: run-cache is not supported for http filesystem") == 1
    assert "3 ran" in output


@pytest.mark.slow
def test_missing_data_alone_are_pulled(make_pair: MakePair) -> None:
    pair = make_pair(CHAIN)
    do(pair, "dvc", "add", "-q", "a.in")
    do(pair, "dvc", "remote", "add", "-d", "r", "../remote")
    compare(pair)
    do(pair, "dvc", "push", "-q")
    do(pair, "rm", "-rf", ".dvc/cache", "a.in", "one.txt", "two.txt")
    assert "4 unchanged" in compare(pair, "--pull")


# What is shown and asked


def test_dry_is_the_plan(make: Make) -> None:
    made = make(CHAIN)
    before = made.state()
    options = ["--dry", "-f", "two"]
    assert made.run("reprise", "run", *options) == made.run("reprise", "plan", "-f", "two")
    assert made.state() == before


def test_warnings_of_dvc_are_shown(make: Make) -> None:
    stages = {**CHAIN, "two": {**CHAIN["two"], "frozen": True}}
    stages["one"] = stage("cat a.in > /dev/null; : > one.txt", ["a.in"], "one.txt")
    output = make(stages, {"two.txt": "2\n"}).run("reprise", "run")
    assert output.count("two: it is frozen; its dependencies are not looked at") == 1
    assert output.count("reprise: warning: 'one.txt' is empty.") == 1


READER = {"read": stage("read line; echo got $line > o", ["a.in"], "o")}
RUN = [sys.executable, "-m", "reprise.cli", "run"]


def test_a_single_job_reads_the_standard_input(make: Make) -> None:
    made = make(READER)
    subprocess.run([*RUN, "-j1"], cwd=made.root, input=b"word\n", check=True)
    assert (made.root / "o").read_text() == "got word\n"
    subprocess.run([*RUN, "-f", "-j2"], cwd=made.root, input=b"word\n", check=False)
    assert (made.root / "o").read_text() == "got\n"


def test_a_single_job_reads_the_terminal(make: Make) -> None:
    made = make(READER)
    assert answer(made, "word", "-j1") == 0
    assert (made.root / "o").read_text() == "got word\n"


@pytest.mark.parametrize(("reply", "status"), [("y", 0), ("n", 1)])
def test_interactive_asks_before_a_stage(make: Make, reply: str, status: int) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    assert answer(made, reply, "-i") == status
    assert (made.root / "o").exists() == (reply == "y")


def test_without_a_terminal_the_answer_is_no(make: Make) -> None:
    made = make(CHAIN)
    output = made.run("reprise", "run", "-i", code=1)
    assert "one: failed: reproduction aborted by the user" in output
    made.run("dvc", "config", "core.interactive", "true")
    assert "aborted by the user" in made.run("reprise", "run", code=1)


def test_every_option_of_dvc_repro_is_in_the_table() -> None:
    rows = TABLE.read_text().split("Beside the options")[0].splitlines()
    cells = [row.split("|") for row in rows if row.startswith("| `") and row.endswith(" |")][1:]
    theirs = [option for cell in cells for option in re.findall(r"`(.+?)`", cell[1])]
    assert sorted(theirs) == sorted(options_of_dvc_repro())
    for cell in cells:
        tests = re.findall(r"`(\w+)`", cell[4])
        assert tests
        assert globals().keys() >= set(tests)


def options_of_dvc_repro() -> list[str]:
    """Return the options of DVC's own parser, and the name of its positional arguments."""
    subparsers = get_main_parser()._subparsers
    repro = subparsers._group_actions[0].choices["repro"]
    names: list[str] = []
    for action in repro._actions:
        if action.help != argparse.SUPPRESS:
            names += action.option_strings or [action.dest]
    return names


def answer(made: Made, reply: str, *options: str) -> int:
    """Run `reprise run` on a terminal of its own, with a line typed; return the exit status."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*RUN, *options], cwd=made.root, stdin=theirs, stdout=theirs, start_new_session=True
    )
    os.close(theirs)
    os.write(ours, f"{reply}\n".encode())
    try:
        while os.read(ours, 1000):
            pass
    except OSError:  # its end
        pass
    os.close(ours)
    return process.wait(30)


def test_a_flow_run_can_not_ask(make: Make) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    output = made.run("reprise", "run", "--prefect", "-i", code=1)
    assert output == "reprise: -i: found --prefect; expected one of the two: a flow run can't ask\n"
    assert not (made.root / "a").exists()
