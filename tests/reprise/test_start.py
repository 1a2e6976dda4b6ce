"""Test the start of the command line: Ctrl-C at any moment of it, and what it can't do without."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reprise.cli import REVIEW
from tests.conftest import ROOT
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # the fixture
# Says when the first handler is in place: until then Python itself starts.
STARTED = """
import signal
original = signal.signal
def say(*arguments):
    signal.signal = original
    original(*arguments)
    print(flush=True)
signal.signal = say
from reprise.__main__ import main
main()
"""

HEAVY = {"dvc", "numpy", "pydantic", "rich", "ruamel", "yaml", "duckdb", "psutil", "prefect"}
COMMANDS = ["plan", "run", "check", "verify", "replicate"]
COMMANDS += ["report", "comment", "retrain", "publish"]


def imported(*arguments: str) -> set[str]:
    """Run `reprise` in a process of its own, and return the top modules that it imported."""
    code = (
        "import sys; from reprise.__main__ import main\n"
        "try: main()\n"
        "finally: print(*{name.split('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)]
)
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    found = imported(*arguments)
    assert "argparse" in found
    assert not HEAVY & found


def test_the_modules_of_a_flow_run_import_no_statistics() -> None:
    """They take most of a second, and the report alone computes with them."""
    code = "import sys, reprise.flows.launch, reprise.flows.repro; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    found = {*done.stdout.split()}
    assert "prefect" in found
    assert not {*REVIEW} & found


def test_a_folder_that_is_not_there_is_one_line() -> None:
    command = [sys.executable, "-m", "reprise", "plan", "-C", "no/such"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "reprise: no/such: No such file or directory\n"


def test_a_folder_that_was_removed_is_one_line(tmp_path: Path) -> None:
    plan = f'mkdir gone; cd gone; rmdir ../gone; "{sys.executable}" -P -m reprise plan'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", plan], cwd=tmp_path, env=env, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "reprise: the current folder: No such file or directory"
    assert "Traceback" not in done.stderr


def interrupt(root: Path, after: float, *arguments: str) -> tuple[int, str, float]:
    """Press Ctrl-C so many seconds after the start. Returns status, output, and seconds to the end.

    A shell gives the signal to the whole group.
    """
    command = [sys.executable, "-c", STARTED, *arguments]
    process = subprocess.Popen(command, cwd=root, text=True, stdout=-1, stderr=-2)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    output, _ = process.communicate(timeout=30)
    return process.returncode, output, time.monotonic() - start


@pytest.mark.parametrize("command", ["plan", "run", "report"])
def test_an_interrupted_start_ends_at_once_and_without_a_word(make: Make, command: str) -> None:
    made = make({"a": stage("sleep 60; cat a.in > o", ["a.in"], "o")})
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "a state")
    for number in range(5):
        status, output, seconds = interrupt(made.root, number * 0.1, command)
        assert "Traceback" not in output
        ended = [130]
        if command != "run":
            ended += [0, -signal.SIGINT]  # done, or done and leaving Python: 130 to a shell
        assert status in ended, output
        assert seconds < 10


# As a module in C does, for which Ctrl-C is an error like any other.
SWALLOWING = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt as e:
    raise ImportError("initialization failed") from e
"""


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        (["report"], "duckdb"),
        (["retrain", "--workplace", "w", "--base", "main", "."], "duckdb"),
        (["publish", "--workplace", "w", "d", "."], "pydantic"),
        (["run", "--prefect"], "prefect"),
    ],
)
def test_ctrl_c_in_an_import_that_swallows_it_is_no_error(
    arguments: list[str], package: str, make: Make, tmp_path: Path
) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    folder = tmp_path / "packages" / package
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(SWALLOWING)
    done = subprocess.run(
        [sys.executable, "-m", "reprise", *arguments],
        cwd=made.root,
        env={**os.environ, "PYTHONPATH": f"{folder.parent}{os.pathsep}{ROOT}"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux")
def test_a_flow_without_a_loopback_network_is_one_line(tmp_path: Path, commands: str) -> None:
    spec = {"files": {"dvc.yaml": text({"stages": {"a": {"cmd": "true"}}})}}
    made = Made(tmp_path, spec, commands).create()
    isolated = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*isolated, "true"], capture_output=True).returncode != 0:
        pytest.skip("this kernel makes no network namespaces for this user")
    start = time.monotonic()
    run = [sys.executable, "-m", "reprise", "run", "--prefect"]
    without = ["env", "-u", "PREFECT_API_URL"]  # of a server of other tests
    output = made.run(*without, *isolated, *run, code=1)
    assert time.monotonic() - start < 30
    assert "reprise: --prefect: found that nothing can connect to 127.0.0.1" in output
    assert "Traceback" not in output


def test_a_closed_output_is_as_good_as_none(make: Make) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    command = f"{sys.executable} -m reprise run >&- 2>&-"
    made.run("sh", "-c", command)
    assert (made.root / "a").read_text() == "1\n"
