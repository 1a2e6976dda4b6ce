"""`prefect deploy` on a server that has deployments of those names already."""

import os
import socket
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
from reprise.flows.server.deploy import check_owner
from tests.conftest import ROOT
from tests.reprise.flows.prefect_server import api

__all__ = ["api"]  # a fixture
pytestmark = pytest.mark.xdist_group("prefect")
ORIGIN = "https://github.com/team/digits.git"
FOLDER = "prefect.deployments.steps.set_working_directory"
CLONE = "prefect.deployments.steps.git_clone"


def clone(folder: Path, name: str, origin: str | None, pull: str = "") -> Path:
    """Make a repository whose prefect.yaml has one deployment, `<name>-repro`."""
    folder.mkdir(parents=True)
    (folder / "prefect.yaml").write_text(
        f"{{name: {name}, {pull} deployments: [{{name: {name}-repro, work_pool: {{name: {name}}},"
        " entrypoint: pipeline/flows.py:repro, tags: ['deployed-from:{{ owner.address }}']}]}"
    )
    subprocess.run(["git", "init", "-q", folder], check=True)
    if origin is not None:
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=folder, check=True)
    return folder


def deploy(api: str, name: str, step: dict[str, Any], *tags: str) -> None:
    flow = httpx.post(f"{api}/flows/", json={"name": "repro"}, timeout=30).json()
    body = {
        "name": f"{name}-repro",
        "flow_id": flow["id"],
        "pull_steps": [step] if step else [],
        "tags": tags,
    }
    httpx.post(f"{api}/deployments/", json=body, timeout=30).raise_for_status()


@pytest.fixture
def check(api: str) -> Callable[[Path], str]:
    """Check in a folder, and return the tag."""

    def check_in(folder: Path) -> str:
        with temporary_settings({PREFECT_API_URL: api}), chdir(folder):
            return f"deployed-from:{check_owner()['address']}"

    return check_in


@pytest.mark.slow
def test_another_project_is_refused_and_told_where_the_first_is(
    api: str, check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = clone(tmp_path / "first", "one", ORIGIN)
    other = clone(tmp_path / "other", "one", "https://github.com/team/spam.git")
    without = clone(tmp_path / "without", "one", None)
    tag = check(first)  # none is there
    deploy(api, "one", {FOLDER: {"directory": str(first)}}, tag)
    assert check(first) == tag
    for folder in (other, without):
        with pytest.raises(PipelineError) as error:
            check(folder)
        (line,) = str(error.value).splitlines()
        owner = tag.removeprefix("deployed-from:")
        assert f"one-repro of another project ({owner}, in {first}; this is " in line
        assert "`prefect deployment delete`), or REPRISE_TAKE_OVER=1 if it is" in line
    monkeypatch.setenv("REPRISE_TAKE_OVER", "1")
    assert check(other) == "deployed-from:github.com/team/spam"


@pytest.mark.slow
@pytest.mark.parametrize(
    "origin", [ORIGIN, "git@github.com:team/digits", "ssh://git@github.com/team/digits.git/"]
)
def test_another_clone_of_the_project_is_told(
    origin: str, api: str, check: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"two-{len(origin)}"
    first = clone(tmp_path / "first", name, ORIGIN)
    deploy(api, name, {FOLDER: {"directory": str(first)}}, check(first))
    second = clone(tmp_path / "second", name, origin)
    check(second)
    expected = f"reprise: {name}-repro ran in {first}; from now on it runs in {second}\n"
    assert capsys.readouterr().out == expected
    check(first)
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_it_is_told_what_is_cloned_from_now_on(
    api: str, check: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "https://user:token@github.com/team/digits"
    steps = f"pull: [{{{CLONE}: {{repository: '{address}'}}}}],"
    first = clone(tmp_path / "first", "three", ORIGIN)
    second = clone(tmp_path / "second", "three", ORIGIN, steps)
    deploy(api, "three", {FOLDER: {"directory": str(first)}}, check(first))
    check(second)
    expected = f"reprise: three-repro ran in {first}; from now on it runs in https://…@github.com/team/digits"
    assert capsys.readouterr().out == f"{expected}\n"
    deploy(api, "three", {CLONE: {"repository": address}}, check(second))
    capsys.readouterr()
    check(second)
    assert capsys.readouterr().out == ""
    other = clone(tmp_path / "other", "three", "https://github.com/team/spam")
    with pytest.raises(PipelineError, match="of another project") as error:
        check(other)
    assert "token" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("four", {FOLDER: {"directory": "."}}),
        ("five", {FOLDER: {"directory": "/gone"}}),
        ("six", {CLONE: {"repository": ORIGIN}}),
        ("seven", {"prefect_aws.deployments.steps.pull_from_s3": {"bucket": "a", "folder": "b"}}),
        ("eight", {}),
    ],
)
def test_where_nobody_wrote_whose_it_is_it_is_refused(
    name: str, step: dict[str, Any], api: str, check: Any, tmp_path: Path
) -> None:
    deploy(api, name, step, "digits")
    with pytest.raises(PipelineError) as error:
        check(clone(tmp_path / "first", name, ORIGIN))
    (line,) = str(error.value).splitlines()
    assert "can't tell of which project: it has no tag that says so; expected another" in line
    assert "`prefect deployment delete`), or REPRISE_TAKE_OVER=1 if it is this project" in line


@pytest.mark.slow
def test_the_same_folder_of_another_machine_is_refused(
    api: str, check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clone(tmp_path / "first", "nine", None)
    deploy(api, "nine", {FOLDER: {"directory": str(folder)}}, check(folder))
    check(folder)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    with pytest.raises(PipelineError, match=r"of another project .*; this is another:/"):
        check(folder)


@pytest.mark.slow
def test_prefect_deploy_stops_before_it_takes_over(api: str, tmp_path: Path) -> None:
    """By the step in prefect.yaml, for all who call Prefect themselves."""
    (tmp_path / "prefect.yaml").write_text((ROOT / "prefect.yaml").read_text())
    (tmp_path / "pipeline").symlink_to(ROOT / "pipeline")
    deploy(
        api,
        "reprise",
        {FOLDER: {"directory": str(tmp_path / "of others")}},
        "deployed-from:a.b/c/d",
    )
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
    env["REPRISE_TAKE_OVER"] = "1"
    assert call("deploy", "--all").returncode == 0
    del env["REPRISE_TAKE_OVER"]
    assert call("deploy", "--all").returncode == 0
    found = httpx.post(f"{api}/deployments/filter", json={}, timeout=30).json()
    ours = [one for one in found if one["name"].startswith("reprise-")]
    owner = f"deployed-from:{socket.gethostname()}:{tmp_path}"
    assert {tuple(one["tags"]) for one in ours} == {("reprise", owner)}
    for one in ours:  # the server stays for other tests
        httpx.delete(f"{api}/deployments/{one['id']}", timeout=30).raise_for_status()
