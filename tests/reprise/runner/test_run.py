"""Test what a run shows and keeps, and what it pulls."""

import json

import pytest

from tests.reprise.corpus import REPOSITORIES
from tests.reprise.runner.repository import Make, make, stage

__all__ = ["make"]  # the fixture


def test_output_is_shown_by_stage_and_kept_in_a_file(make: Make) -> None:
    made = make({"make": stage("echo one; echo two >&2; cat a.in > out", ["a.in"], "out")})
    output = made.run("reprise", "run")
    assert "make | one\n" in output
    assert "make | two\n" in output
    assert (made.root / ".dvc/tmp/reprise/logs/make.log").read_text() == "one\ntwo\n"


def test_history_gives_the_time_a_stage_took(make: Make) -> None:
    made = make({"a": stage("sleep 0.3; cat a.in > o", ["a.in"], "o")})
    made.run("reprise", "run")
    made.edit({"a.in": "2\n"})
    plan = json.loads(made.run("reprise", "plan", "--json"))
    assert plan["stages"][0]["seconds"] == pytest.approx(0.3, abs=0.25)


def test_a_cut_off_line_of_history_costs_that_line_alone(make: Make) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o")})
    made.run("reprise", "run")
    history = made.root / ".dvc/tmp/reprise/history.jsonl"
    history.write_text(history.read_text() + '["a", 1.')
    made.run("reprise", "run", "-f")
    made.run("reprise", "plan")
    assert len(history.read_text().splitlines()) == 2  # of the two runs
    assert '["a", 1.' not in history.read_text()
    assert [path.name for path in history.parent.glob("history*")] == ["history.jsonl"]


def test_missing_data_is_pulled(make: Make) -> None:
    made = make({"a": stage("cat a.in > o", ["a.in"], "o"), "b": stage("cat o > p", ["o"], "p")})
    made.run("dvc", "remote", "add", "-d", "r", str(made.folder / "remote"))
    made.run("reprise", "run")
    made.run("dvc", "push")
    for name in ("o", "p"):
        (made.root / name).unlink()
    made.run("rm", "-rf", ".dvc/cache")
    output = made.run("reprise", "run", "--pull")
    assert "2 unchanged" in output
    assert (made.root / "p").read_text() == "1\n"


def test_corpus_has_at_least_30_repositories() -> None:
    assert len(REPOSITORIES) >= 30


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stage_below_new_outs_starts_before_those_after_it_in_the_plan(
    make: Make, jobs: int
) -> None:
    """Though what it reads was written in this tick, and nothing else has to wait for that."""
    stages = {"a_job": stage("cat a.in > a_job; sleep 1", ["a.in"], "a_job")} if jobs == 2 else {}
    stages["b_above"] = stage("cat a.in > b_above", ["a.in"], "b_above")
    stages["c_below"] = stage("cat b_above > c_below", ["b_above"], "c_below")
    stages["d_later"] = stage("cat a.in > d_later", ["a.in"], "d_later")
    made = make(stages)
    output = made.run("reprise", "run", f"-j{jobs}")
    started = [line.partition(":")[0] for line in output.splitlines() if ": started" in line]
    assert started == [*stages]
