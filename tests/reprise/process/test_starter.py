"""Test that the process that starts commands ends with its own process, and with no other."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs guards, which Linux has")

RUN = """
import os, signal, sys
from pathlib import Path
from reprise.process.namespace import NamespaceProcess, _starters

def run(command):
    with NamespaceProcess([], command, Path("/"), os.environ, 1) as process:
        return process.wait()

run(["true"])
"""
STOPPED = "os.kill(_starters[0]._process.pid, signal.SIGSTOP)"
FORKED = """
for i in range(5):
    if os.fork() == 0:
        sys.exit()
    os.wait()
    assert run(["sh", "-c", "exit 3"]) == 3
"""


@pytest.mark.parametrize("then", ["", STOPPED, FORKED], ids=["idle", "stopped", "forked"])
def test_a_process_ends_and_its_starter_with_it(then: str, tmp_path: Path) -> None:
    script = f"{RUN}{then}\nprint(_starters[0]._process.pid)"
    done = subprocess.run(
        [sys.executable, "-c", script], text=True, capture_output=True, timeout=30, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not Path("/proc", done.stdout.strip()).exists()
