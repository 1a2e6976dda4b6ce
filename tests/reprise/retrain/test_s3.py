"""Retraining with a DVC remote on S3: moto's, on loopback."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reprise.retrain.project import Retrainable
from tests.reprise.retrain.test_retrain import GOOD
from tests.reprise.s3 import SECRET

pytestmark = pytest.mark.slow


def test_data_and_models_go_through_s3(s3: str, commands: str, tmp_path: Path) -> None:
    made = Retrainable(tmp_path, commands)
    made.create("s3://store/dvc", endpointurl=s3)
    shutil.rmtree(made.checkout / ".dvc" / "cache")
    made.source.write_text(GOOD)
    made.retrain("--publish", "branch")
    (branch,) = made.branches().keys() - {"main"}
    made.run("git", "clone", "-q", "-b", branch, made.origin, made.folder / "clone")
    made.run("dvc", "pull", "-q", cwd=made.folder / "clone")
    made.run("reprise", "plan", "--exit-code", cwd=made.folder / "clone")
    assert not made.store.exists()
    assert subprocess.run(["grep", "-rq", SECRET, made.folder], check=False).returncode == 1
