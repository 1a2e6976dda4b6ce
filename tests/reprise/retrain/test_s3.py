"""Retraining with a DVC remote on S3: moto's, on loopback."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reprise.retrain.project import Retrainable
from tests.reprise.retrain.test_retrain import GOOD

SECRET = "s3cret-of-a-test"
pytestmark = pytest.mark.slow


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server with a bucket named store."""
    import boto3
    from moto.server import ThreadedMotoServer

    keys = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="store")
        yield f"http://{host}:{port}"
    finally:
        server.stop()


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
