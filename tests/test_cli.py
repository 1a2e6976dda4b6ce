"""How a stage ends: one line and a status for what a user can cause, 130 and no word for Ctrl-C."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, copied, one_in

INTERRUPTED = """
import os, signal, threading, time
import duckdb
from src.cli import guarded
from src.tables.connection import readable

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
        # A library's own error.
        "exec('try: time.sleep(60)\\nexcept KeyboardInterrupt: raise ValueError')",
        "exec('try: time.sleep(60)\\nexcept KeyboardInterrupt: pass')",
    ],
)
def test_ctrl_c_ends_as_130_without_a_word(work: str) -> None:
    script = INTERRUPTED.format(work=work)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_that_the_caller_has_ignored_stays_ignored() -> None:
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + INTERRUPTED.format(
        work="time.sleep(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("command", "name"),
    one_in(
        3,
        [
            ("fetch out", "out/digits.parquet"),
            ("prepare data/raw out", "out/val.parquet"),
            ("validate data/prepared data/reference.json out", "out/report.json"),
            ("train data/prepared data/validated out", "out/model.safetensors"),
            ("evaluate data/model data/prepared out", "out/predictions.parquet"),
            ("evaluate data/model data/prepared out", "out/metrics.json"),
            (
                "predict data/model/model.safetensors data/raw/digits.parquet -o out/a.csv",
                "out/a.csv",
            ),
            (
                "predict data/model/model.safetensors data/raw/digits.parquet -o out/a.parquet",
                "out/a.parquet",
            ),
        ],
    ),
)
def test_a_full_disk_is_one_line_that_names_the_file(
    command: str, name: str, finished: Project, tmp_path: Path
) -> None:
    project = copied(finished, tmp_path)
    path = tmp_path / name
    path.parent.mkdir()
    path.with_name(f".{path.name}.part").symlink_to("/dev/full")
    stage, *arguments = command.split()
    lines = project.stage(stage, *arguments, code=1).splitlines()
    where = "out" if stage == "prepare" else name  # it writes three files at once
    progress = ("Epoch ", "checkpoint: goes on")  # of the training that has ended before
    assert [line for line in lines if not line.startswith(progress)] == [
        f"{stage}: {where}: No space left on device"
    ]
    assert [
        p.name for p in path.parent.iterdir() if p.name == path.name or p.name.endswith(".part")
    ] == []
