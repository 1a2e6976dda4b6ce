"""`prefect deploy` on a server that has deployments of those names already."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from reprise.errors import PipelineError
from reprise.flows.server.deploy import address, check_owner
from tests.conftest import ROOT
from tests.reprise.flows.prefect_server import api

__all__ = ["api"]  # a fixture
pytestmark = pytest.mark.xdist_group("prefect")
ORIGIN = "https://github.com/team/digits.git"
FOLDER = "prefect.deployments.steps.set_working_directory"
CLONE = "prefect.deployments.steps.git_clone"


def clone(folder: Path, name: str, origin: str | None) -> Path:
    """Make a repository whose prefect.yaml has one deployment, `<name>-repro`."""
    folder.mkdir(parents=True)
    (folder / "prefect.yaml").write_text(
        f"{{name: {name}, deployments: [{{name: {name}-repro, work_pool: {{name: {name}}}}}]}}"
    )
    subprocess.run(["git", "init", "-q", folder], check=True)
    if origin is not None:
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=folder, check=True)
    return folder


def deploy(api: str, name: str, step: dict[str, Any]) -> None:
    flow = httpx.post(f"{api}/flows/", json={"name": "repro"}, timeout=30).json()
    body = {"name": f"{name}-repro", "flow_id": flow["id"], "pull_steps": [step]}
    httpx.post(f"{api}/deployments/", json=body, timeout=30).raise_for_status()


@pytest.fixture
def check(api: str) -> Callable[[Path], None]:
    def check_in(folder: Path) -> None:
        with temporary_settings({PREFECT_API_URL: api}), chdir(folder):
            check_owner()

    return check_in


@pytest.mark.slow
def test_another_project_is_refused_and_told_where_the_first_is(
    api: str, check: Any, tmp_path: Path
) -> None:
    first = clone(tmp_path / "first", "one", ORIGIN)
    other = clone(tmp_path / "other", "one", "https://github.com/team/spam.git")
    without = clone(tmp_path / "without", "one", None)
    check(first)  # none is there
    deploy(api, "one", {FOLDER: {"directory": str(first)}})
    check(first)
    for folder in (other, without):
        with pytest.raises(PipelineError) as error:
            check(folder)
        (line,) = str(error.value).splitlines()
        assert f"one-repro of another project ({first})" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "origin", [ORIGIN, "git@github.com:team/digits", "ssh://git@github.com/team/digits.git/"]
)
def test_another_clone_of_the_project_is_told(
    origin: str, api: str, check: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"two-{len(origin)}"
    first = clone(tmp_path / "first", name, ORIGIN)
    deploy(api, name, {FOLDER: {"directory": str(first)}})
    second = clone(tmp_path / "second", name, origin)
    check(second)
    expected = f"{name}-repro ran in {first}; from now on it runs in {second}\n"
    assert capsys.readouterr().out == expected


@pytest.mark.slow
def test_what_is_cloned_is_of_its_address(api: str, check: Any, tmp_path: Path) -> None:
    deploy(api, "three", {CLONE: {"repository": "https://user:token@github.com/team/digits"}})
    check(clone(tmp_path / "first", "three", ORIGIN))
    with pytest.raises(PipelineError, match="of another project") as error:
        check(clone(tmp_path / "other", "three", "https://github.com/team/spam"))
    assert "token" not in str(error.value)


@pytest.mark.slow
def test_a_folder_that_is_gone_may_have_been_anybody_s(
    api: str, check: Any, tmp_path: Path
) -> None:
    deploy(api, "four", {FOLDER: {"directory": str(tmp_path / "gone")}})
    with pytest.raises(PipelineError, match=r"another project .*gone.*prefect deployment delete"):
        check(clone(tmp_path / "first", "four", ORIGIN))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.b/c/d.git", "git@a.b:c/d", True),
        ("https://u:p@a.b/c/d", "https://a.b/c/d/", True),
        ("https://a.b/c/d", "https://a.b/c/e", False),
        ("https://a.b/c/d", "https://x.b/c/d", False),
        ("/", "/..", True),
        ("/", "/usr", False),
    ],
)
def test_an_address_is_one_whatever_way_leads_there(one: str, other: str, same: bool) -> None:
    assert (address(one) == address(other)) == same


@pytest.mark.slow
def test_prefect_deploy_stops_before_it_takes_over(api: str, tmp_path: Path) -> None:
    """By the step in prefect.yaml, for all who call Prefect themselves."""
    (tmp_path / "prefect.yaml").write_text((ROOT / "prefect.yaml").read_text())
    (tmp_path / "pipeline").symlink_to(ROOT / "pipeline")
    deploy(api, "reprise", {FOLDER: {"directory": str(tmp_path / "of others")}})
    command = [sys.executable, "-m", "prefect", "--no-prompt"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": api}

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    assert call("work-pool", "create", "reprise", "--type", "process").returncode == 0
    done = call("deploy", "--all")
    assert done.returncode != 0
    assert "of another project" in " ".join((done.stdout + done.stderr).split())
    found = httpx.post(f"{api}/deployments/filter", json={}, timeout=30).json()
    names = {one["name"]: one["pull_steps"] for one in found}
    assert names["reprise-repro"] == [{FOLDER: {"directory": str(tmp_path / "of others")}}]
    assert "reprise-retrain" not in names
