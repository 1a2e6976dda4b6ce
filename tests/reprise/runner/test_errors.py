"""Test that what a user can cause before a run is one line and changes nothing."""

from pathlib import Path

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # the fixture


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"dvc.yaml": "stages: ["}, "dvc.yaml"),
        ({"dvc.yaml": "stages: {a: {cmd: 1, what: 2}}\n"}, "dvc.yaml"),
        (
            {
                "dvc.yaml": text(
                    {"stages": {"a": stage("x", ["b"], "c"), "b": stage("x", ["c"], "b")}}
                )
            },
            "both a dependency and an output",
        ),
        (
            {
                "dvc.yaml": text(
                    {"stages": {"a": stage("x", ["i"], "o"), "b": stage("x", ["i"], "o")}}
                )
            },
            "'o'",
        ),
        (
            {
                "dvc.yaml": text(
                    {"stages": {"a": stage("x", ["i"], "o"), "b": stage("x", ["i"], "o/p")}}
                )
            },
            "o",
        ),
        ({"dvc.yaml": text({"stages": {"a": stage("echo ${none}", ["i"], "o")}})}, "none"),
        ({"dvc.lock": "schema: '2.0'\nstages: [\n"}, "dvc.lock"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_bad_pipeline_is_one_line(
    make: Make, command: str, files: dict[str, str], message: str
) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    made.edit(files)
    before = made.state()
    output = made.run("reprise", command, code=1)
    assert output.startswith("reprise: ")
    assert message in output
    assert output.count("\n") == 1, output
    assert made.state() == before


def test_a_folder_without_dvc_is_one_line(tmp_path: Path, commands: str) -> None:
    made = Made(tmp_path, {}, commands)
    made.root.mkdir()
    assert made.run("reprise", "run", code=1).startswith(
        "reprise: you are not inside of a DVC repository"
    )
    assert (
        made.run("reprise", "plan", "-C", "none", code=1)
        == "reprise: none: No such file or directory\n"
    )


def test_an_unknown_target_is_one_line(make: Make) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    assert (
        made.run("reprise", "run", "b", code=1)
        == "reprise: Stage 'b' not found inside 'dvc.yaml' file\n"
    )
