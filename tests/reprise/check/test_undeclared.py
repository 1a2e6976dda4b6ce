"""Inputs that a command reads without declaring them are named, with the line to add.

Where it fails for another reason, none is named.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.reprise.corpus import YAML_, Made
from tests.reprise.random_dags import text

TABLE: dict[str, Any] = YAML_.load(Path(__file__).with_name("undeclared.yaml"))
OMISSIONS, OTHERWISE = TABLE["omissions"], TABLE["otherwise"]
pytestmark = pytest.mark.xdist_group("undeclared")  # the omissions run once, not once a worker


def repository(cases: dict[str, Any], folder: Path, commands: str) -> Made:
    """A stage and perhaps a script a case, in the dvc.yaml files that they name."""
    pipelines: dict[str, Any] = {}
    files = dict(TABLE["files"])
    for name, case in cases.items():
        here = case.get("folder", case.get("wdir", "."))
        stage = {key: case[key] for key in ("wdir", "params") if key in case}
        stage |= {"deps": [*case.get("deps", [])], "outs": [f"{name}.done", *case.get("outs", [])]}
        if "py" in case:
            files[f"{here}/{name}_.py"] = case["py"] + "\n"
            stage["deps"] += [f"{name}_.py"] * case.get("script", True)
        command = f"python {name}_.py" if "py" in case else case["sh"]
        stage["cmd"] = [*([command] if isinstance(command, str) else command), f"touch {name}.done"]
        pipelines.setdefault(case.get("folder", "."), {})[name] = {
            k: v for k, v in stage.items() if v
        }
    files |= {f"{here}/dvc.yaml": text({"stages": stages}) for here, stages in pipelines.items()}
    (folder / "beside.txt").write_text("8\n")
    return Made(folder, {"files": files, "before": [["python", "prepare.py"]]}, commands).create()


def failures(made: Made) -> dict[str, str]:
    """The line in which each stage failed."""
    output = made.run("reprise", "run", "-k", "-P", code=1)
    return dict(re.findall(r"^(?:\S*dvc\.yaml:)?([\w-]+): (failed: .*)", output, re.MULTILINE))


@pytest.fixture(scope="module")
def made(commands: str, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return repository(OMISSIONS, tmp_path_factory.mktemp("omissions"), commands)


@pytest.fixture(scope="module")
def said(made: Made) -> dict[str, str]:
    return failures(made)


@pytest.mark.parametrize("name", OMISSIONS)
def test_an_omission_is_named_with_the_line_to_add(name: str, said: dict[str, str]) -> None:
    assert_named(OMISSIONS[name], said[name])


def assert_named(case: dict[str, Any], line: str) -> None:
    needs = {(line, section) for section, lines in case["needs"].items() for line in lines}
    file = "/".join([*case.get("folder", "").split(), "dvc.yaml"])
    found = re.findall(
        r"is not declared: add '- ([^']+)' to (\w+) of stage '(\S+)' in (\S+?)(?:;|$)", line
    )
    assert {(line, section) for line, section, *_ in found} == needs, line
    assert {where for *_, where in found} == {file}


@pytest.mark.slow
def test_without_namespaces_omissions_are_named_too(
    commands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_SANDBOX", "folder")
    said = failures(repository(OMISSIONS, tmp_path, commands))
    for name, case in OMISSIONS.items():
        assert_named(case, said[name])


def test_a_folder_of_its_own_hides_what_is_above_the_repository(
    commands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_SANDBOX", "folder")
    said = failures(repository(TABLE["above"], tmp_path, commands))
    assert_named(TABLE["above"]["above-the-repository"], said["above-the-repository"])


@pytest.mark.slow
def test_the_lines_are_what_was_missing(made: Made, said: dict[str, str]) -> None:
    made.run("reprise", "check", "--fix", "-P")
    assert f"{len(OMISSIONS)} ran" in made.run("reprise", "run", "-P").splitlines()[-1]


def test_other_failures_name_nothing(commands: str, tmp_path: Path) -> None:
    said = failures(repository(OTHERWISE, tmp_path, commands))
    assert said.keys() == OTHERWISE.keys()
    assert not [line for line in said.values() if "not declared" in line]


def test_a_file_left_beside_the_outs_is_reported(commands: str, tmp_path: Path) -> None:
    cases = {
        "log": {
            "sh": "mkdir logs && echo > logs/a.log && cat a.txt > b",
            "deps": ["a.txt"],
            "outs": ["b"],
        }
    }
    output = repository(cases, tmp_path, commands).run("reprise", "run")
    assert "log: left logs/a.log, which no out names: not recorded" in output
