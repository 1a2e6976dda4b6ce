"""How a stage ends: one line and a status for what a user can cause, 130 and no word for Ctrl-C."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

INTERRUPTED = """
import os, signal, threading, time
import duckdb
from src.cli import guarded
from src.tables import readable

def work():
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    {work}

guarded("stage", work)
"""
QUERY = "duckdb.sql('SELECT count(*) FROM range(100000), range(100000000)').fetchall()"  # minutes


@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(60)",
        QUERY,  # DuckDB raises RuntimeError("Query interrupted")
        f"with readable('a table'): {QUERY}",
        "exec('try: time.sleep(60)\\nexcept KeyboardInterrupt: raise ValueError')",  # a library's own error
        "exec('try: time.sleep(60)\\nexcept KeyboardInterrupt: pass')",
    ],
)
def test_ctrl_c_ends_as_130_without_a_word(work: str) -> None:
    script = INTERRUPTED.format(work=work)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_that_the_caller_has_ignored_stays_ignored() -> None:
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + INTERRUPTED.format(work="time.sleep(1)")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
