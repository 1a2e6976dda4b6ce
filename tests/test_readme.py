"""The README is a transcript: what it shows is what the commands print."""

import re
import subprocess
from pathlib import Path

from tests.conftest import ROOT, Project, copied, new_project

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", README, re.DOTALL)


def test_the_first_screen_is_what_the_commands_print(commands: str, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    project = new_project(tmp_path_factory.mktemp("readme"), commands)
    project.run("git", "checkout", "-qb", "main")
    repro = project.run("dvc", "repro").splitlines()
    shown = [line for line in BLOCKS[0].splitlines() if not line.startswith("$")]
    assert len(shown) == 5
    assert [line for line in repro if line in shown] == shown
    edit, rerun, *expected = BLOCKS[1].splitlines()
    assert rerun == "$ dvc repro"
    before = (project.root / "params.yaml").read_text()
    project.run("sh", "-c", edit.removeprefix("$ "))
    assert (project.root / "params.yaml").read_text() != before
    output = [
        line
        for line in project.run("dvc", "repro").splitlines()
        if line.startswith(("Stage", "Running"))
    ]
    assert output == expected
    project.run("sh", "-c", edit.removeprefix("$ ").replace("10 /bins: 20", "20 /bins: 10"))
    project.run("dvc", "repro")
    project.commit()
    edit, report, *shown = BLOCKS[3].splitlines()
    project.run("sh", "-c", edit.removeprefix("$ "))
    arguments = [*report.removeprefix("$ ").split(), "--format", "text"]  # as on a terminal
    text = project.run(*arguments, env={"COLUMNS": "80"})
    assert text.splitlines()[: len(shown)] == shown


def test_the_plan_is_what_the_command_prints(finished: Project, tmp_path: Path) -> None:
    """After the edit of the first screen; times differ."""
    project = copied(finished, tmp_path)
    project.run("reprise", "run", "-f", "evaluate", "-s")
    project.set({"evaluate.bins": 20})
    command, *expected = BLOCKS[2].splitlines()
    printed = project.run(*command.removeprefix("$ ").split()).splitlines()
    assert [re.sub(r"[\d.]+ s", "… s", line) for line in printed] == [
        re.sub(r"[\d.]+ s", "… s", e) for e in expected
    ]


def test_make_help_lists_every_target_the_readme_names() -> None:
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, text=True, capture_output=True, check=True
    ).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    assert set(re.findall(r"`?make ([a-z-]+)", README)) <= targets | {"help"}
    assert {"repro", "test", "check", "data-docs", "slow", "bench", "clean"} <= targets


def test_every_stage_has_a_heading(finished: Project) -> None:
    stages = finished.run("dvc", "stage", "list", "--name-only").split()
    headings = re.findall(r"^## (\w+)$", README, re.MULTILINE)
    assert [h for h in headings if h in stages] == stages
