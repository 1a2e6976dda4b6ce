"""Whose a deployment is, by the tag that `prefect deploy` writes."""

import socket
import subprocess
from contextlib import chdir
from pathlib import Path

import pytest

from reprise.flows.server.owner import (
    address,
    find_owner,
    find_place,
    folder_address,
    is_here,
    own_address,
)

HERE = socket.gethostname()
STEPS = "prefect.deployments.steps"


def repository(folder: Path, origin: str | None) -> Path:
    subprocess.run(["git", "init", "-q", folder], check=True)
    if origin is not None:
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    ("origin", "tag"),
    [
        ("https://github.com/team/digits.git", "github.com/team/digits"),
        ("https://user:p@ss:word@GitHub.com/team/digits/", "github.com/team/digits"),
        ("https://token@github.com:443/team/digits", "github.com/team/digits"),
        ("git@github.com:team/digits.git", "github.com/team/digits"),
        ("ssh://git:secret@github.com:22/team/digits.git", "github.com/team/digits"),
        ("alias:team/digits", "alias/team/digits"),
        ("/srv/git/digits.git", f"{HERE}:/srv/git/digits.git"),
        ("file:///srv/git/digits.git", f"{HERE}:/srv/git/digits.git"),
        ("/srv/a:b/digits", f"{HERE}:/srv/a:b/digits"),
    ],
)
def test_an_origin_is_one_whatever_way_leads_there(origin: str, tag: str, tmp_path: Path) -> None:
    assert own_address(repository(tmp_path / "a", origin)) == tag


def test_two_projects_of_one_repository_are_two(tmp_path: Path) -> None:
    folder = repository(tmp_path / "all", "https://github.com/team/all") / "models" / "digits"
    folder.mkdir(parents=True)
    assert own_address(folder) == "github.com/team/all#models/digits"
    git = ["git", "remote", "set-url", "origin", "../all.git"]
    subprocess.run(git, cwd=folder, check=True)
    assert own_address(folder) == f"{HERE}:{tmp_path / 'all.git'}#models/digits"


def test_a_relative_origin_is_one_of_its_folder(tmp_path: Path) -> None:
    expected = f"{HERE}:{tmp_path / 'b.git'}"
    folder = repository(tmp_path / "a", "../b.git")
    for current in (tmp_path, folder):
        with chdir(current):
            assert own_address(folder) == expected


@pytest.mark.parametrize("is_repository", [True, False])
def test_without_an_origin_it_is_the_folder_of_this_machine(
    is_repository: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    if is_repository:
        repository(folder, None)
    (tmp_path / "link").symlink_to(folder)
    assert own_address(tmp_path / "link") == f"{HERE}:{folder}"


def test_the_same_path_of_another_machine_is_another_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without, local = tmp_path / "a", repository(tmp_path / "b", "/srv/digits.git")
    without.mkdir()
    network = repository(tmp_path / "c", "https://github.com/team/digits")
    before = [own_address(folder) for folder in (without, local, network)]
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    after = [own_address(folder) for folder in (without, local, network)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ([], None),
        (["digits", "deployed:x"], None),
        (["digits", "deployed-from:a.b/c/d"], "a.b/c/d"),
        (["deployed-from:here:/x", "digits"], "here:/x"),
    ],
)
def test_the_tag_is_found_among_others(tags: list[str], owner: str | None) -> None:
    assert find_owner(tags) == owner


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.b/c/d.git", "git@a.b:c/d", True),
        ("https://u:p@a.b/c/d", "https://a.b/c/d/", True),
        ("https://a.b/c/d", "https://a.b/c/e", False),
        ("https://a.b/c/d", "https://x.b/c/d", False),
        ("/", "/..", True),
        ("/", "file:///", True),
        ("/", "/usr", False),
    ],
)
def test_addresses(one: str, other: str, same: bool, tmp_path: Path) -> None:
    assert (address(one, tmp_path) == address(other, tmp_path)) == same


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ([], None),
        ([{f"{STEPS}.set_working_directory": {"directory": "/x"}}], "/x"),
        ([{f"{STEPS}.git_clone": {"repository": "https://a.b/c/d"}}], "https://a.b/c/d"),
        (
            [
                {f"{STEPS}.git_clone": {"id": "clone", "repository": "https://a.b/c/d"}},
                {f"{STEPS}.set_working_directory": {"directory": "{{ clone.directory }}"}},
            ],
            "https://a.b/c/d",
        ),
        ([{"prefect_aws.deployments.steps.pull_from_s3": {"bucket": "b", "folder": "f"}}], None),
        ([{f"{STEPS}.run_shell_script": {"script": "true"}}], None),
    ],
)
def test_where_runs_work_is_in_the_steps_of_pull(
    steps: list[dict[str, dict[str, str]]], place: str | None
) -> None:
    assert find_place(steps) == place


def test_a_relative_place_is_anybody_s(tmp_path: Path) -> None:
    with chdir(tmp_path):
        assert not is_here(".")
        assert is_here(str(tmp_path))
        assert not is_here(str(tmp_path / "gone"))


def test_a_tag_has_no_secret_of_an_address(tmp_path: Path) -> None:
    for secret in ("?private_token=abc", "#abc"):
        assert address(f"https://u:abc@git.example/team/a.git{secret}", tmp_path).endswith("team/a")


def test_an_origin_that_came_later_leaves_the_project_what_it_is(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    before = own_address(tmp_path)
    subprocess.run(["git", "remote", "add", "origin", "https://h/a/b"], cwd=tmp_path, check=True)
    assert own_address(tmp_path) == "h/a/b"
    assert folder_address(tmp_path) == before
