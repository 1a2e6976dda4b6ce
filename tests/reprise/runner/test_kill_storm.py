"""Test that runs killed at any moment end in the same bytes and repeat nothing."""

import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reprise.dvc import LOCK_PART
from reprise.state.journal import Journal
from tests.reprise.corpus import YAML_, Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import start

KILLS = int(os.environ.get("KILLS", "200"))
STAGES = 30


def storm(folder: Path, commands: str) -> Made:
    """Make 30 stages, each of which writes its name into `runs` when its command is done."""
    stages: dict[str, Any] = {}
    for i in range(STAGES):
        deps = ["a.in"] if i < 3 else sorted({f"o{i - 3}", f"o{i // 2}"})
        cmd = f"cat {' '.join(deps)} | head -c 50 > o{i}; sleep 0.02"
        cmd += f"; echo s{i} >> {folder.parent}/runs"
        stages[f"s{i}"] = {"cmd": cmd, "deps": deps, "outs": [f"o{i}"]}
    return Made(
        folder, {"files": {"a.in": "1\n", "dvc.yaml": text({"stages": stages})}}, commands
    ).create()


def finished(made: Made) -> set[str]:
    """Name the stages that dvc.lock and the journals of killed runs hold."""
    lock = made.root / "dvc.lock"
    locked = set(YAML_.load(lock.read_text())["stages"]) if lock.exists() else set()
    return locked | {name for _, name in Journal(made.root / ".dvc/tmp/reprise").all_entries()}


@pytest.mark.slow
def test_kills_at_random_moments_change_no_byte_and_repeat_nothing(
    tmp_path: Path, commands: str
) -> None:
    rng = random.Random(1)
    theirs = storm(tmp_path / "theirs", commands)
    theirs.reproduce("dvc")
    ours = storm(tmp_path / "ours", commands)
    runs = tmp_path / "runs"
    runs.unlink()
    part = ours.root / ".dvc/tmp/reprise" / LOCK_PART
    kills = in_lock_write = rounds = repeated = 0
    while kills < KILLS:
        before, count = finished(ours), runs.read_text().split() if runs.exists() else []
        process = start(ours, "-j4")
        deadline = time.monotonic() + rng.uniform(0.3, 2.5)
        writing = rng.random() < 0.3  # kill it as it writes dvc.lock
        while process.poll() is None and (writing or time.monotonic() < deadline):
            if writing and part.exists():
                in_lock_write += 1
                break
            time.sleep(0.0005 if writing else 0.005)
        if process.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
        process.communicate()
        ran = runs.read_text().split()[len(count) :] if runs.exists() else []
        repeated += len(before & set(ran))
        assert not before & set(ran)
        if process.returncode == 0:
            rounds += 1
            assert ours.state() == theirs.state()
            for name in [".dvc/cache", ".dvc/tmp"]:
                shutil.rmtree(ours.root / name)
            for path in [*ours.root.glob("o*"), ours.root / "dvc.lock", ours.root / ".gitignore"]:
                path.unlink()
    print(
        f"{kills} kills, {in_lock_write} while dvc.lock was written, {rounds} rounds, "
        f"{repeated} stages repeated"
    )
    ours.run("reprise", "run")
    assert ours.state() == theirs.state()
