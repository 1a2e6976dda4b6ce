"""Test what a run does with a stage that fails, and with what it leaves."""

import pytest

from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # the fixture


def test_a_failure_skips_what_depends_on_it_and_keeps_what_finished(make: Make) -> None:
    made = make(
        {
            "good": stage("cat a.in > good", ["a.in"], "good"),
            "bad": stage("cat good; echo half > bad; exit 3", ["good"], "bad"),
            "after": stage("cat bad > after", ["bad"], "after"),
        }
    )
    output = made.run("reprise", "run", code=1)
    assert "bad: failed: exit status 3: cat good; echo half > bad; exit 3" in output
    assert "1 ran, 1 failed, 1 skipped" in output
    assert (made.root / "bad").read_text() == "half\n"  # to read
    assert "good" in (made.root / "dvc.lock").read_text()
    assert "bad:" not in (made.root / "dvc.lock").read_text()
    assert "1 unchanged, 1 failed, 1 skipped" in made.run("reprise", "run", code=1)


def test_keep_going_runs_what_does_not_depend_on_the_failure(make: Make) -> None:
    made = make(
        {
            "bad": stage("exit 1", ["a.in"], "bad"),
            "after": stage("cat bad > after", ["bad"], "after"),
            "x": stage("cat a.in > x", ["a.in"], "x"),
            "y": stage("cat x > y", ["x"], "y"),
        }
    )
    assert "2 ran, 1 failed, 1 skipped" in made.run("reprise", "run", "-k", "-j1", code=1)
    assert (made.root / "y").read_text() == "1\n"


def test_a_missing_output_fails_the_stage(make: Make) -> None:
    made = make({"make": stage("true", ["a.in"], "out")})
    assert "make: failed: the command wrote no out" in made.run("reprise", "run", code=1)


def test_a_missing_dependency_fails_the_stage(make: Make) -> None:
    made = make({"make": stage("cat none > out", ["none"], "out")})
    assert "make: failed: dependency 'none' does not exist" in made.run("reprise", "run", code=1)


def test_a_missing_params_key_fails_the_stage(make: Make) -> None:
    made = make(
        {"a": stage("cat a.in > o", ["a.in"], "o", params=["lr"])}, {"params.yaml": "x: 1\n"}
    )
    made.run("reprise", "plan")
    assert "a: failed: Parameters 'lr' are missing from 'params.yaml'." in made.run(
        "reprise", "run", code=1
    )


def test_a_command_that_can_not_be_started_fails_its_stage(make: Make) -> None:
    made = make({"a": stage("printf '\0' > o", ["a.in"], "o")})
    assert "a: failed: embedded null byte" in made.run("reprise", "run", code=1)


def test_what_a_command_leaves_beside_its_outs_is_reported(make: Make) -> None:
    made = make({"make": stage("echo > log.txt; cat a.in > out", ["a.in"], "out")})
    assert "make: left log.txt, which no out names: not recorded" in made.run("reprise", "run")
    assert (made.root / "log.txt").read_text() == "\n"  # as `dvc repro` leaves it


STRAY_FILES = [  # seen from a sandbox
    "../x",
    "../12",
    "../x-1-1",
    "../²-1-1",
    "../-1-1",
    "../99999999999999999999-1-1",
    "../deep/x",
    "../../groups/x",
    "../../groups/x-1-1",
    "../../groups/999999999-1-1/x",
    "../../journal/x.jsonl",
    "../../journal/1x.jsonl",
    "../../journal/99999999999999999999.jsonl",
    "../../journal/999999999.jsonl/x",
]


def test_what_a_command_writes_beside_its_sandbox_is_left_alone(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_SANDBOX", "folder")
    writes = [f"mkdir -p $(dirname {path}); echo > {path}" for path in STRAY_FILES]
    made = make({"make": stage("; ".join([*writes, "cat a.in > out"]), ["a.in"], "out")})
    assert "1 ran" in made.run("reprise", "run")
    assert "unchanged  make" in made.run("reprise", "plan")
    assert "1 ran" in made.run("reprise", "run", "--force")
    sandbox = made.root / ".dvc/tmp/reprise/sandbox/any"
    sandbox.mkdir()
    assert [path for path in STRAY_FILES if not (sandbox / path).is_file()] == []
