"""The project's name, and what prefect.yaml may declare under it."""

from pathlib import Path

import pytest

from reprise.errors import PipelineError
from reprise.flows.server.project import Deployments, project_name, read_deployments
from tests.conftest import ROOT


def test_ours_are_named_after_the_project() -> None:
    expected = Deployments("reprise", ["reprise-repro", "reprise-retrain"])
    assert read_deployments(ROOT / "prefect.yaml") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{name: a, deployments: [{name: a-b, work_pool: {name: gpu}}]}",
            "a-b: work_pool: found 'gpu'; expected 'a', whose workers run this project",
        ),
        (
            "{name: a, deployments: [{name: nightly, work_pool: {name: a}}]}",
            "found the deployment 'nightly'; expected a-nightly, as a server has those of other",
        ),
        (
            "{name: My Project, deployments: [{name: a-b, work_pool: {name: a}}]}",
            "name: found 'My Project'; expected the project's name in small letters",
        ),
        ("deployments: [{name: a-b, work_pool: {name: a}}]", "name: found None; expected"),
        ("{name: 7, deployments: [{name: a-b, work_pool: {name: a}}]}", "name: found 7; expected"),
        ("{name: a, deployments: [{name: a-b}]}", "found no deployments .*work_pool"),
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


def test_a_folder_without_a_letter_is_a_project_too(tmp_path: Path) -> None:
    (tmp_path / "фольга").mkdir()
    assert project_name(tmp_path / "фольга") == "project"
