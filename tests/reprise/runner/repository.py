"""Make small repositories for tests, and start `reprise run` in them."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text

Make = Any


@pytest.fixture
def make(tmp_path: Path, commands: str) -> Make:
    """Return a function of stages and files that makes a repository in `tmp_path`.

    folder: in it, for a second repository. A dvc.yaml among the files replaces that of the stages.
    """

    def make_repository(
        stages: dict[str, Any], files: dict[str, str] | None = None, folder: str = ""
    ) -> Made:
        spec = {"files": {"a.in": "1\n", "dvc.yaml": text({"stages": stages}), **(files or {})}}
        return Made(tmp_path / folder, spec, commands).create()

    return make_repository


def stage(cmd: str, deps: list[str], out: str, **more: Any) -> dict[str, Any]:
    return {"cmd": cmd, "deps": deps, "outs": [out], **more}


def meta(**settings: Any) -> dict[str, Any]:
    return {"meta": {"reprise": settings}}


def start(made: Made, *options: str) -> subprocess.Popen[str]:
    """Start `reprise run` in a process group of its own, for signals as from a terminal."""
    env = {
        **os.environ,
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(made.folder.parent / "site"),
    }
    command = [sys.executable, "-m", "reprise.cli", "run", *options]
    return subprocess.Popen(
        command, cwd=made.root, env=env, text=True, stdout=-1, stderr=-2, start_new_session=True
    )


def wait_for(path: Path, seconds: float = 20) -> None:
    for _ in range(int(seconds * 20)):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def is_gone(pid: int) -> bool:
    """Tell whether the process ended, if perhaps nobody has waited for it yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
