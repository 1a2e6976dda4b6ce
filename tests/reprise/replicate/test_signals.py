"""However replicates end, no command goes on, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.replicate.repository import PREDICTIONS
from tests.reprise.review.repository import commit
from tests.reprise.runner.repository import is_gone, variables, wait_for


@pytest.fixture
def made(tmp_path: Path, commands: str) -> Made:
    """Return a repository of a training that takes long with another seed than the declared."""
    (tmp_path / "pids").mkdir()
    slow = f"{{ : > {tmp_path}/pids/$$; sleep 100; }}"
    train = {
        "cmd": f"grep -q 'seed: 1$' params.yaml || {slow}; printf 'id,correct\\n1,1\\n' > out.csv",
        "params": ["seed"],
        "outs": [{"out.csv": {"meta": {"reprise": PREDICTIONS}}}],
        "meta": {"reprise": {"replicates": {"param": "seed", "base": 4, "change": 4}}},
    }
    files = {"dvc.yaml": text({"stages": {"train": train}}), "params.yaml": "seed: 1\n"}
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("dvc", "repro")
    commit(made, "first")
    return made


def start(made: Made, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "reprise", *arguments],
        cwd=made.root,
        env=variables(made),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def trainings(made: Made, count: int) -> list[int]:
    """Wait until so many train, and return their processes' numbers."""
    folder = made.folder / "pids"
    for _ in range(1200):
        if len(found := list(folder.iterdir())) >= count:
            return [int(path.name) for path in found]
        time.sleep(0.05)
    raise AssertionError(f"{len(list(folder.iterdir()))} train; expected {count}")


def left(made: Made) -> list[Path]:
    """List what lies in the folders of replicates."""
    top = made.root / ".dvc" / "tmp" / "reprise"
    folders = (top / "replicates", top / "groups", top / "sandbox")
    return [path for folder in folders if folder.exists() for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
def test_a_signal_ends_all_within_seconds(made: Made, number: int, status: int) -> None:
    process = start(made, "replicate", "-j", "2")
    pids = trainings(made, 2)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == status, output
    assert "Traceback" not in output
    assert all(map(is_gone, pids))
    assert left(made) == []


def test_what_a_killed_one_left_is_swept_by_the_next_run(made: Made) -> None:
    process = start(made, "replicate")
    pids = trainings(made, 1)
    process.kill()
    process.communicate(timeout=60)
    assert left(made)
    made.run("reprise", "run")
    for _ in range(100):  # who is killed can't wait for what it ends
        if all(map(is_gone, pids)):
            break
        time.sleep(0.05)
    assert all(map(is_gone, pids))
    assert left(made) == []


def test_the_first_that_fails_ends_the_others(made: Made) -> None:
    process = start(made, "replicate", "-j", "2")
    first, second = trainings(made, 2)
    os.kill(first, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert "reprise: the working tree: train with seed " in output.splitlines()[-1]
    assert is_gone(second)
    assert left(made) == []
    wait_for(made.root / "out.csv")
