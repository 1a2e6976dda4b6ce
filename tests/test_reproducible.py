"""Versions come back byte for byte; the same inputs give the same bytes."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import SHORT, Project, copied, new_project
from tests.test_rerun import STAGES, downstream, outs

OUTPUTS = {"/".join(out.split("/")[:2]) for stage in STAGES for out in outs(stage)}  # data/<folder>


def contents(project: Project) -> dict[str, bytes]:
    found = [p for out in OUTPUTS for p in (project.root / out).rglob("*") if p.is_file()]
    return {str(p.relative_to(project.root)): p.read_bytes() for p in found}


@pytest.mark.slow
def test_an_older_commit_comes_back_from_the_remote(finished: Project, tmp_path: Path) -> None:
    project = copied(finished, tmp_path / "project")
    project.run("dvc", "remote", "add", "-d", "local", str(tmp_path / "remote"))
    old, before = project.commit(), contents(project)
    project.run("dvc", "push")
    project.set({"train.optimizer.lr": 0.02, "prepare.split.val": 0.2})
    assert project.repro() == downstream("prepare")
    project.commit()
    project.run("dvc", "push")
    assert "train.optimizer.lr" in project.run("dvc", "params", "diff", old)
    assert "accuracy" in project.run("dvc", "metrics", "diff", old)
    assert "index.html" in project.run("dvc", "plots", "diff", old)
    shutil.rmtree(project.root / ".dvc/cache")
    for out in OUTPUTS:
        shutil.rmtree(project.root / out)
    project.run("git", "checkout", "-qf", old)
    project.run("dvc", "pull")
    assert contents(project) == before
    assert project.repro() == set()


@pytest.mark.slow
def test_two_projects_give_the_same_lock(finished: Project, tmp_path: Path) -> None:
    other = new_project(tmp_path, finished.path)
    other.set(SHORT)
    other.repro()
    assert (other.root / "dvc.lock").read_bytes() == (finished.root / "dvc.lock").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_threads_and_instruction_sets_change_no_byte(model: str, tmp_path: Path) -> None:
    """Run in processes of their own.

    Forks of the warm one have torch loaded, which then reads no environment.
    """
    real = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    locks = set()
    for i, env in enumerate(
        [
            {"OMP_NUM_THREADS": "1"},
            {"OMP_NUM_THREADS": "2"},
            {"OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "avx2"},
            {"OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "default"},
        ]
    ):
        project = new_project(tmp_path / str(i), real)
        if model == "cnn":
            project.set({"train.model": {"name": "cnn", "channels": [8, 16]}, "train.epochs": 2})
        project.run("dvc", "repro", env=env)
        locks.add((project.root / "dvc.lock").read_bytes())
    assert len(locks) == 1
