"""Test that what a user can cause before a run is one line and changes nothing."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # the fixture


@pytest.mark.parametrize(
    ("files", "message"),
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
    make: Make, command: str, files: dict[str, str], message: str
) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    made.edit(files)
    before = made.state()
    output = made.run("reprise", command, code=1)
    assert output.startswith("reprise: ")
    assert message in output
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


# What DVC raises for one stage. Each: files, the stage's own declarations, words of the message.
TROUBLES: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "a date in params": (
        {"p.yaml": "x: 2020-01-01\n"},
        {"params": [{"p.yaml": ["x"]}]},
        "date",
    ),
    "a time in TOML": (
        {"p.toml": "x = 2020-01-01T00:00:00\n"},
        {"params": [{"p.toml": ["x"]}]},
        "date",
    ),
    "a date as a key": (
        {"p.yaml": "x: {2020-01-01: 1}\n"},
        {"params": [{"p.yaml": ["x"]}]},
        "keys",
    ),
    "keys of mixed types": (
        {"p.yaml": "x: {1: a, b: c}\n"},
        {"params": [{"p.yaml": ["x"]}]},
        "keys",
    ),
    "a list for a mapping": (
        {"p.json": "[1, 2]"},
        {"params": [{"p.json": ["x"]}]},
        "x",
    ),
    "nested too deeply": (
        {"p.json": "[" * 100_000},
        {"params": [{"p.json": ["x"]}]},
        "deeply",
    ),
    "not UTF-8": (
        {"p.yaml": "x: \udcff\n"},
        {"params": [{"p.yaml": ["x"]}]},
        "p.yaml",
    ),
    "a folder for a params file": (
        {"p.yaml/x": "1\n"},
        {"params": [{"p.yaml": ["x"]}]},
        "p.yaml",
    ),
    "a .dvcignore in a dep": (
        {"d/x": "1\n", "d/.dvcignore": "y\n"},
        {"deps": ["d"]},
        ".dvcignore",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_stage_s_trouble_stays_its_own(make: Make, trouble: str) -> None:
    """As `dvc repro -k` does, but with a message that says where; and in the plan too."""
    files, own, words = TROUBLES[trouble]
    stages = {
        "bad": {"cmd": "echo 1 > b", "outs": ["b"], "deps": ["a.in"], **own},
        "below": stage("cat b > c", ["b"], "c"),
        "good": stage("cat a.in > g", ["a.in"], "g"),
    }
    made = make(stages)
    theirs = make(stages, folder="theirs")
    for each in (made, theirs):
        write(each.root, files)
    # That a key is missing is found when the stage is to run, as by DVC.
    expected = "run" if trouble == "a list for a mapping" else "error"
    code = 1 if expected == "error" else 0
    plan = json.loads(made.run("reprise", "plan", "--json", code=code))["stages"]
    kinds = {step["stage"]: step["kind"] for step in plan}
    assert kinds == {"bad": expected, "below": "run", "good": "run"}
    output = made.run("reprise", "run", "-k", code=1)
    (line,) = [line for line in output.splitlines() if line.startswith("bad: failed: ")]
    assert words in line
    assert "Traceback" not in output
    theirs.run("dvc", "repro", "-k", code=255)
    ours = made.state()
    assert ours.pop(".gitignore") == b"/g\n"  # which DVC takes back where any stage failed
    assert ours == theirs.state()


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "files",
    [
        {"params.yaml": "x: 2020-01-01\n"},
        {"dvc.yaml": "stages: {a: {foreach: [2020-01-01], do: {cmd: 'echo ${item}'}}}\n"},
        {"dvc.yaml": "stages: {a: {matrix: {x: [2020-01-01]}, cmd: 'echo ${item.x}'}}\n"},
        {"dvc.yaml": "vars: [{x: 2020-01-01}]\nstages: {a: {cmd: 'echo ${x}'}}\n"},
        {"dvc.yaml": "stages: {a: {cmd: 'echo ${item}'}, 2: {cmd: echo}}\n"},
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_dvc_trips_over_as_it_loads_is_one_line(
    make: Make, command: str, files: dict[str, str]
) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    made.edit(files)
    output = made.run("reprise", command, code=1)
    assert output.startswith("reprise: ")
    assert output.count("\n") == 1, output


def test_the_traceback_can_be_had(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")}, {"params.yaml": "x: 2020-01-01\n"})
    monkeypatch.setenv("REPRISE_DEBUG", "1")
    assert "Traceback" in made.run("reprise", "plan", code=1)


# Stands for what DVC can't be made to run out of here: it happens at one stage's file `short`.
SHORTAGE = """
import sys, threading
from dvc.output import Output
from reprise.cli import main
build, start = Output._build, threading.Thread.start
def short_of_memory(self, *args, **kwargs):
    if self.fs_path.endswith("short"):
        raise MemoryError
    return build(self, *args, **kwargs)
def refuse(self):
    if getattr(self, "_folder", None) and self.job.log.name == "bad.log" or "Executor" in self.name:
        raise RuntimeError("can't start new thread")
    start(self)
if sys.argv.pop(1) == "memory":
    Output._build = short_of_memory
else:
    threading.Thread.start = refuse
main()
"""


@pytest.mark.parametrize(
    ("what", "message"), [("memory", "out of memory"), ("threads", "can't start new thread")]
)
def test_a_shortage_is_its_stage_s_own(make: Make, what: str, message: str) -> None:
    stages = {
        "bad": stage("cat short > b", ["short"], "b"),
        "good": stage("cat a.in > g", ["a.in"], "g"),
    }
    made = make(stages, {"short": "1\n"})
    output = made.run(sys.executable, "-c", SHORTAGE, what, "run", "-k", code=1)
    assert f"bad: failed: {message}" in output.replace("DVC ran into RuntimeError: ", "")
    assert "good: done" in output
    assert "Traceback" not in output
    assert not list((made.root / ".dvc/tmp/reprise/sandbox").iterdir())


@pytest.mark.parametrize("tracked", ["out", "out/x"])
def test_an_out_that_git_tracks_fails_its_stage_before_the_command(
    make: Make, tracked: str
) -> None:
    """`dvc repro` finds it after the command, asking git's index anew for each out."""
    cmd = "mkdir -p out && cp a.in out/y" if "/" in tracked else "cat a.in > out"
    made = make(
        {"a": stage(cmd, ["a.in"], "out"), "b": stage("cat a.in > other", ["a.in"], "other")},
        {tracked: "tracked\n"},
    )
    made.run("git", "add", "-f", tracked)
    before = (made.root / tracked).read_bytes()
    output = made.run("reprise", "run", "-k", code=1)
    assert "output 'out' is already tracked by SCM (e.g. Git)" in output
    assert (made.root / tracked).read_bytes() == before
    assert (made.root / ".gitignore").read_text() == "/other\n"
    assert "b:" in (made.root / "dvc.lock").read_text()
    made.run("git", "rm", "-r", "--cached", tracked)
    made.run("reprise", "run")
    made.run("dvc", "status", "-q")


def test_a_gitignore_that_can_not_be_written_keeps_its_stage_for_the_next_run(make: Make) -> None:
    made = make(
        {
            "a": stage("mkdir -p sub && echo ran >> log && cp a.in sub/x", ["a.in"], "sub/x"),
            "b": stage("cat a.in > other", ["a.in"], "other"),
        },
        {"sub/none": "", "log": ""},
    )
    (made.root / "sub/.gitignore").symlink_to("nowhere/none")
    output = made.run("reprise", "run", "--no-sandbox", code=1)
    assert "reprise: a: " in output
    assert "sub/.gitignore" in output
    lock = (made.root / "dvc.lock").read_text()
    assert "b:" in lock
    assert "a:" not in lock.split()
    (made.root / "sub/.gitignore").unlink()
    made.run("reprise", "run")
    assert (made.root / "log").read_text() == "ran\n"
    assert (made.root / "sub/.gitignore").read_text() == "/x\n"
    made.run("dvc", "status", "-q")
