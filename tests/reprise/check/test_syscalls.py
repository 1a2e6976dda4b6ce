"""`reprise check` hears what a command asks the kernel for.

Also what the command does without, and what it names by absolute paths.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reprise.check.syscall_tracer import SyscallTracer
from reprise.sandbox.choice import VARIABLE
from tests.reprise.check.test_undeclared import TABLE, repository
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text

SURVIVALS, QUIET = TABLE["survivals"], TABLE["quiet"]
PATH = os.environ["PATH"]  # not the commands that wait, warm, in a process which nobody traces
CALLS = """
import os
os.path.exists("a")
open("a", "w")
open("d/../a")
open(os.path.abspath("a"), "r+")
open("a", "a")
os.listdir("d")
os.open("b", os.O_RDONLY, dir_fd=os.open("d", os.O_RDONLY))
os.chdir("d")
os.path.exists("../c")
"""
HEARD = [
    ("look", "a"),
    ("write", "a"),
    ("read", "a"),
    ("update", "a"),
    ("write", "a"),
    ("list", "d"),
    ("read", "d"),
    ("read", "d/b"),
    ("look", "d"),
    ("look", "c"),
]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs seccomp, which Linux has")


def traced(folder: Path, *command: str) -> list[tuple[str, str]]:
    """What it asks for in the folder."""
    heard: list[tuple[str, str]] = []
    with SyscallTracer(lambda access, path: heard.append((access, path))) as tracer:
        subprocess.run(tracer.argv(command), check=True, cwd=folder)
    assert tracer.refused is None
    return [
        (access, os.path.relpath(path, folder))
        for access, path in heard
        if path.startswith(f"{folder}/")
    ]


def test_calls_are_heard_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/b").touch()
    looked = traced(tmp_path, sys.executable, "-I", "-c", CALLS)
    assert [call for i, call in enumerate(looked) if i == 0 or call != looked[i - 1]] == HEARD


def test_children_are_heard_too(tmp_path: Path) -> None:
    assert ("look", "x") in traced(tmp_path, "/bin/sh", "-c", "(sh -c 'test -e x || true')")


def test_a_command_keeps_its_environment(tmp_path: Path) -> None:
    with SyscallTracer(lambda *_: None) as tracer:
        argv = tracer.argv(["/usr/bin/env"])
        done = subprocess.run(
            argv, env={"LANG": "C", "A": "a=b\n"}, capture_output=True, text=True, check=True
        )
    assert done.stdout == "LANG=C\nA=a=b\n\n"


def test_where_the_kernel_refuses_the_command_runs_untraced(tmp_path: Path) -> None:
    with (
        SyscallTracer(lambda *_: None) as outer,
        SyscallTracer(lambda *_: None) as inner,
    ):  # the kernel takes one listener
        done = subprocess.run(
            outer.argv(inner.argv(["/bin/echo", "1"])), capture_output=True, check=True
        )
    assert done.stdout == b"1\n"
    assert outer.refused is None
    assert inner.refused == "seccomp: Device or resource busy"


def checked(made: Made) -> dict[str, set[tuple[str, str]]]:
    """By `reprise check`, which changes nothing: sections and lines of each stage."""
    before = made.state()
    made.run("reprise", "check", "-P", code=None)
    after = made.state()
    assert {name: after[name] for name in before} == before
    assert made.output.endswith(" 0 failed\n"), made.output
    found: dict[str, set[tuple[str, str]]] = {}
    name = section = ""
    for line in made.output.splitlines():
        if match := re.match(r"([\w-]+): (?:undeclared|nothing)", line):
            name = match[1]
            found[name] = set()
        elif match := re.match(r"    (\w+):$", line):
            section = match[1]
        elif match := re.match(r"      - (.+)", line):
            found[name].add((section, match[1]))
    return found


def needs(cases: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    return {
        name: {(s, line) for s, ls in case["needs"].items() for line in ls}
        for name, case in cases.items()
    }


def test_absolute_paths_are_heard(tmp_path: Path) -> None:
    script = """
from pathlib import Path
ROOT = Path(__file__).resolve().parent
(ROOT / "o").write_text((ROOT / "two").read_text())
"""
    declared = {"cmd": "cat $PWD/one; python work.py; cat $DVC_ROOT/three", "outs": ["o"]}
    files = {"one": "1\n", "two": "2\n", "three": "3\n", "work.py": script}
    files["dvc.yaml"] = text({"stages": {"s": declared}})
    made = Made(tmp_path, {"files": files}, PATH).create()
    assert checked(made) == {"s": {("deps", name) for name in ("one", "work.py", "two", "three")}}


def test_a_traced_command_handles_signals_as_any_other(tmp_path: Path) -> None:
    """Python ignores SIGPIPE: `yes | head -1` would end with an error, and some loops never."""
    command = ["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"]
    with SyscallTracer(lambda *_: None) as tracer:
        traced = subprocess.run(tracer.argv(command), check=True, stdout=subprocess.PIPE)
    assert traced.stdout == subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["namespace", "folder"])
def test_what_a_command_does_without_is_named(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "folder":
        monkeypatch.setenv(VARIABLE, "folder")
    made = repository(SURVIVALS, tmp_path, PATH)
    assert checked(made) == needs(SURVIVALS)
    made.run("reprise", "check", "--fix", "-P")
    assert checked(made) == {name: set() for name in SURVIVALS}


@pytest.mark.slow
def test_check_says_so_where_it_hears_nothing(tmp_path: Path) -> None:
    made = repository(
        {"open": TABLE["omissions"]["open"], "exists": SURVIVALS["exists"]}, tmp_path, PATH
    )
    with SyscallTracer(lambda *_: None) as tracer:  # the kernel takes no second one in it
        output = made.run(*tracer.argv(["reprise", "check"]), code=1)
    assert output == (
        "exists: nothing undeclared\n"
        "open: undeclared; add to dvc.yaml:\n"
        "    deps:\n"
        "      - a.txt\n"
        "commands are not traced (seccomp: Device or resource busy):"
        " only what their errors name is found\n"
        "2 stages checked: 1 undeclared, 0 failed\n"
    )


@pytest.mark.slow
def test_who_looks_around_needs_nothing(tmp_path: Path) -> None:
    made = repository(QUIET, tmp_path, PATH)
    assert checked(made) == {name: set() for name in QUIET}
    assert "never opened" not in made.output
