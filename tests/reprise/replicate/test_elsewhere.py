"""Replicates of pipelines of other shapes, from other folders, of a remote, and interrupted."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from reprise.state.folders import StateFolders
from tests.conftest import ROOT
from tests.reprise.corpus import Made
from tests.reprise.replicate.repository import NOISY, noisy
from tests.reprise.replicate.repository import PIPELINE as NOISY_PIPELINE
from tests.reprise.review.repository import commit

FOREACH = """
stages:
  train:
    foreach: [north, south]
    do:
      cmd: python work.py && mv predictions.csv ${item}.csv
      deps: [work.py]
      params: [train]
      meta: {reprise: {replicates: {param: train.seed, change: 2}}}
      outs:
        - ${item}.csv:
            meta: {reprise: {predictions: {metrics: {accuracy: {column: correct, better: higher}}}}}
"""
PARAMS = "train: {skill: 0.7, luck: 0.01, seed: 1}\n"


@pytest.mark.slow
def test_each_stage_of_a_foreach_is_replicated(tmp_path: Path, commands: str) -> None:
    files = {"dvc.yaml": FOREACH, "work.py": NOISY, "params.yaml": PARAMS}
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("dvc", "repro")
    commit(made, "first")
    output = made.run("reprise", "replicate", "-j", "2")
    for item in ("north", "south"):
        assert f"train@{item}: 1 trainings with another train.seed: 0 are in" in output
        assert f"train@{item} with train.seed 2: done" in output
    assert "1 are in the run-cache, 0 to run" in made.run("reprise", "replicate")


@pytest.mark.slow
def test_a_subfolder_and_a_pipeline_in_it(tmp_path: Path, commands: str) -> None:
    files = {
        "deep/er/dvc.yaml": NOISY_PIPELINE.replace(", data.csv]", "]").replace(
            " && cat data.csv > /dev/null", ""
        ),
        "deep/er/work.py": NOISY,
        "deep/er/params.yaml": PARAMS,
        "other/a": "",
    }
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("dvc", "repro", "-P")
    commit(made, "first")
    output = made.run("sh", "-c", "cd deep && reprise replicate")
    assert "3 trainings with another train.seed: 0 are in the run-cache, 3 to run" in output
    output = made.run("sh", "-c", "cd other && reprise replicate")
    assert "3 are in the run-cache, 0 to run" in output


@pytest.mark.slow
def test_another_clone_takes_them_from_the_remote_s_run_cache(
    tmp_path: Path, commands: str
) -> None:
    made = noisy(tmp_path / "first", commands)
    made.run("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    commit(made, "remote")
    made.run("dvc", "push", "-q")
    made.run("reprise", "replicate", "HEAD", "--push")
    shutil.rmtree(made.root / ".dvc/cache")
    second = Made(tmp_path / "second", {}, commands)
    second.folder.mkdir()
    subprocess.run(["git", "clone", "-q", made.root, second.root], check=True)
    output = second.run("reprise", "replicate", "HEAD")
    assert "4 trainings with another train.seed: 4 are in the run-cache, 0 to run" in output
    assert not is_cached(second, b"1\n")  # the data that they were trained on


def is_cached(made: Made, content: bytes) -> bool:
    name = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return (made.root / ".dvc/cache/files/md5" / name[:2] / name[2:]).exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("param: train.seed", "param: train.sead", "param: found train.sead; expected a param"),
        ("param: train.seed", "param: 'a.yaml:seed'", "found a.yaml:seed; expected a param"),
        ("base: 5", "base: 1", "replicates.base: found 1"),
        ("change: 4", "change: '4'", "replicates.change: found '4'"),
        ("change: 4", "chnge: 4", "replicates.chnge: found 4"),
        ("predictions: {metrics", "table: {id: id}} #", "found no predictions after the stage"),
    ],
)
def test_a_declaration_that_is_wrong_is_one_line(
    old: str, new: str, said: str, tmp_path: Path, commands: str
) -> None:
    files = {
        "dvc.yaml": NOISY_PIPELINE.replace("work.py, data.csv]", "work.py]").replace(
            " && cat data.csv > /dev/null", ""
        ),
        "work.py": NOISY,
        "params.yaml": PARAMS,
    }
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("dvc", "repro")
    text = (made.root / "dvc.yaml").read_text()
    if "table" in new:
        start = text.index("          meta: {reprise: {predictions")
        text = text[:start] + "          meta: {reprise: {table: {id: id}}}\n"
    else:
        text = text.replace(old, new)
    made.edit({"dvc.yaml": text})
    commit(made, "wrong")
    output = made.run("reprise", "replicate", code=1)
    assert said in output
    assert len(output.strip().splitlines()) == 1


def test_a_seed_that_is_no_whole_number_is_one_line(tmp_path: Path, commands: str) -> None:
    made = noisy(tmp_path, commands)
    params = made.root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 1", "seed: one"))
    made.run("dvc", "repro")
    output = made.run("reprise", "replicate", code=1)
    assert "params.yaml: train.seed: found 'one'; expected a whole number" in output


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_all_commands_and_removes_the_copies(
    number: int, tmp_path: Path, commands: str
) -> None:
    made = noisy(tmp_path, commands)
    pids = made.folder / "pids"
    slow = f"import os, time\nopen('{pids}', 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(300)\n"
    (made.root / "work.py").write_text(
        NOISY + "if p['seed'] > 1:\n    " + slow.replace("\n", "\n    ")
    )
    made.run("dvc", "repro")
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "reprise", "replicate", "-j", "2"]
    with subprocess.Popen(
        command, cwd=made.root, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 120
        while not pids.exists() or len(pids.read_text().splitlines()) < 2:
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    assert psutil.wait_procs(started, timeout=5)[1] == []
    assert list(StateFolders.in_repository(made.root).replicates.glob("*")) == []


def cache(made: Made) -> dict[str, bytes]:
    """Read the cache: the entries of the run-cache, and the data, each by its hash."""
    top = made.root / ".dvc/cache"
    files = {str(path.relative_to(top)): path for path in top.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items()}


@pytest.mark.slow
def test_two_at_once_leave_what_one_leaves(tmp_path: Path, commands: str) -> None:
    alone = noisy(tmp_path / "alone", commands)
    assert alone.run("reprise", "replicate").count(": done in") == 3
    made = noisy(tmp_path / "both", commands)
    env = {**os.environ, "PATH": commands}
    both = []
    for _ in range(2):
        both.append(
            subprocess.Popen(
                ["reprise", "replicate"],
                cwd=made.root,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    for process in both:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        known = next(n for n in range(4) if f"{n} are in the run-cache, {3 - n} to run" in output)
        assert output.count(": done in") == 3 - known
    assert cache(made) == cache(alone)
    assert "3 are in the run-cache, 0 to run" in made.run("reprise", "replicate")


def test_an_out_outside_the_repository_is_refused(tmp_path: Path, commands: str) -> None:
    """A training in a copy would write to the user's own file."""
    outside = tmp_path / "outside.txt"
    pipeline = NOISY_PIPELINE.replace(
        "    outs:\n", f"    outs:\n      - {outside}: {{cache: false}}\n"
    )
    pipeline = pipeline.replace("work.py, data.csv]", "work.py]").replace(
        "cat data.csv > /dev/null", f"echo 1 > {outside}"
    )
    files = {"dvc.yaml": pipeline, "work.py": NOISY, "params.yaml": PARAMS}
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("dvc", "repro")
    commit(made, "first")
    outside.write_text("mine")
    for command in (("reprise", "replicate"), ("reprise", "replicate", "HEAD")):
        assert "found the out ../outside.txt; expected one in the repository" in made.run(
            *command, code=1
        )
    assert outside.read_text() == "mine"
