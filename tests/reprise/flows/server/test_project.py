"""The project's name, and what prefect.yaml may declare under it."""

import subprocess
from pathlib import Path

import pytest

from reprise.errors import PipelineError
from reprise.flows.server.project import Deployments, project_name, read_deployments
from tests.conftest import ROOT


def test_ours_are_named_after_the_project() -> None:
    entrypoints = {"pipeline/flows.py:repro", "pipeline/flows.py:retrain"}
    expected = Deployments("reprise", ["reprise-repro", "reprise-retrain"], entrypoints, {})
    assert read_deployments(ROOT / "prefect.yaml") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{name: a, deployments: [{name: a-b, work_pool: {name: gpu}, entrypoint: f}]}",
            "a-b: work_pool: found 'gpu'; expected 'a', whose workers run this project",
        ),
        (
            "{name: a, deployments: [{name: nightly, work_pool: {name: a}, entrypoint: f}]}",
            "found the deployment 'nightly'; expected a-nightly, as a server has those of other",
        ),
        (
            "{name: My Project, deployments: [{name: a-b, work_pool: {name: a}, entrypoint: f}]}",
            "name: found 'My Project'; expected the project's name in small letters",
        ),
        (
            "deployments: [{name: a-b, work_pool: {name: a}, entrypoint: f}]",
            "name: found None; expected",
        ),
        (
            "{name: 7, deployments: [{name: a-b, work_pool: {name: a}, entrypoint: f}]}",
            "name: found 7; expected",
        ),
        ("{name: a, deployments: [{name: a-b}]}", "found no deployments .*work_pool"),
        (
            "{name: a, deployments: [{name: a-b, work_pool: {name: a}, entrypoint: f, tags: [a]}]}",
            r"a-b: tags: found \['a'\]; expected 'deployed-from:{{ owner.address }}' among them",
        ),
        ("{name: a, deployments: [{name: a-b, work_pool: {name: a}}]}", "entrypoint"),
        ("deployments: [", "found no deployments .*line 1"),
        ("[]", "found no deployments"),
        ("", "found no deployments"),
    ],
)
def test_what_is_wrong_in_prefect_yaml_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "prefect.yaml"
    file.write_text(text)
    with pytest.raises(PipelineError, match=said) as error:
        read_deployments(file)
    assert len(str(error.value).splitlines()) == 1


def test_no_prefect_yaml(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="No such file or directory"):
        read_deployments(tmp_path / "prefect.yaml")


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"prefect.yaml": "name: digits", "pyproject.toml": '[project]\nname = "b"'}, "digits"),
        (
            {"prefect.yaml": "{}", "pyproject.toml": '[project]\nname = "My.Pack_age"'},
            "my-pack-age",
        ),
        ({"prefect.yaml": "[", "pyproject.toml": "["}, "my-folder"),
        ({"prefect.yaml": "name: 7", "pyproject.toml": "project = 7"}, "my-folder"),
        ({"prefect.yaml": "name: '!?'"}, "my-folder"),
        ({}, "my-folder"),
    ],
)
def test_a_project_has_the_name_of_its_first_file_or_of_its_folder(
    files: dict[str, str], name: str, tmp_path: Path
) -> None:
    root = tmp_path / "My folder!"
    root.mkdir()
    for file, text in files.items():
        (root / file).write_text(text)
    assert project_name(root) == name


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("https://user:token@github.com/team/My.Digits.git", "my-digits"),
        ("git@github.com:team/digits.git/", "digits"),
        ("git@host:digits.git", "digits"),
        ("/srv/git/digits.git", "digits"),
        ("../digits", "digits"),
        ("https://github.com/!?.git", "a1b2"),
        ("https://t0ken@github.com", "github-com"),
        ("https://user:t0ken@github.com/", "github-com"),
        ("https://github.com/team/digits?private_token=t0ken", "digits"),
    ],
)
def test_a_clone_has_the_name_of_its_origin(origin: str, name: str, tmp_path: Path) -> None:
    """Retraining's clones lie in folders that are named by hashes."""
    root = tmp_path / "a1b2"
    subprocess.run(["git", "init", "-q", root], check=True)
    subprocess.run(["git", "remote", "add", "origin", origin], cwd=root, check=True)
    assert project_name(root) == name
    (root / "pyproject.toml").write_text('[project]\nname = "named"')
    assert project_name(root) == "named"


def test_a_clone_that_is_not_there_yet_has_the_name_of_its_address(tmp_path: Path) -> None:
    assert project_name(tmp_path / "a1b2", "https://github.com/team/digits") == "digits"


@pytest.mark.parametrize("options", [["digits"], ["--bare", "digits"], ["--bare", "digits.git"]])
def test_a_repository_without_an_origin_has_its_folder_s_name(
    options: list[str], tmp_path: Path
) -> None:
    """A bare one has the name that its clones have."""
    subprocess.run(["git", "init", "-q", *options], cwd=tmp_path, check=True)
    assert project_name(tmp_path / options[-1]) == "digits"


def test_where_runs_work_is_read_for_each_deployment(tmp_path: Path) -> None:
    """A deployment's own `pull` hides that of the file."""
    step = "prefect.deployments.steps"
    deployment = "work_pool: {name: a}, entrypoint: f, tags: ['deployed-from:{{ owner.address }}']"
    file = tmp_path / "prefect.yaml"
    file.write_text(
        f"""
name: a
pull: {{{step}.git_clone: {{repository: https://a.b/c/d}}}}
deployments:
  - {{name: a-cloned, {deployment}}}
  - {{name: a-here, {deployment}, pull: [{{{step}.set_working_directory: {{directory: /x}}}}]}}
  - {{name: a-none, {deployment}, pull: []}}
"""
    )
    places = {"a-cloned": "https://a.b/c/d", "a-here": "/x"}
    assert read_deployments(file).places == places


def test_a_folder_without_a_letter_is_a_project_too(tmp_path: Path) -> None:
    (tmp_path / "фольга").mkdir()
    assert project_name(tmp_path / "фольга") == "project"
