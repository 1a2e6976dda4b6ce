"""CI comments a report; once trainings are shared, one with them, and trains nothing."""

from pathlib import Path

import pytest

from tests.reprise.corpus import Made
from tests.reprise.replicate.repository import BASE, CHANGE, edit_params, noisy
from tests.reprise.review.repository import commit
from tests.reprise.stand_in import TOKEN, StandIn

pytestmark = pytest.mark.slow


def merged(made: Made) -> str:
    """Merge the branch as a forge does of a pull request; return the merge's branch."""
    made.run("git", "checkout", "-q", "-B", "merge", "main")
    made.run("git", "merge", "-q", "--no-ff", "-m", "merge", "feature")
    made.run("git", "checkout", "-q", "feature")
    return "merge"


def checked_out(made: Made, folder: Path) -> Made:
    """Check the merge out as CI does: two commits deep, without any data."""
    origin = f"file://{made.root}"
    clone = Made(folder, {}, made.path)
    folder.mkdir()
    made.run("git", "clone", "-q", "--depth", "2", "--branch", merged(made), origin, clone.root)
    return clone


def report_and_comment(clone: Made, *options: str) -> str:
    output = clone.run("reprise", "report", "HEAD^1", "--out", "report.md", *options)
    clone.run("reprise", "comment", "report.md", "--pull-request", "7")
    return output


def test_the_second_report_trains_nothing(
    tmp_path: Path,
    commands: str,
    s3: str,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_API_URL": stand_in.address,
        "GITHUB_TOKEN": TOKEN,
    }
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    made = noisy(tmp_path / "author", commands)
    made.run("git", "checkout", "-q", "main")
    made.run("dvc", "remote", "add", "-q", "-d", "store", "s3://store/dvc")
    made.run("dvc", "remote", "modify", "-q", "store", "endpointurl", s3)
    commit(made, "remote")
    made.run("dvc", "push", "-q")
    made.run("git", "checkout", "-q", "-B", "feature")
    edit_params(made, "skill: 0.7", "skill: 0.8")
    commit(made, "change")
    made.run("dvc", "push", "-q")

    report_and_comment(checked_out(made, tmp_path / "first"))
    assert "this model is better on these rows" in stand_in.comments[0]["body"]
    assert "one training a side cannot say whether the change is" in stand_in.comments[0]["body"]

    made.run("reprise", "replicate", "main", "--push")
    made.run("reprise", "replicate", "feature", "--push")
    clone = checked_out(made, tmp_path / "second")
    output = report_and_comment(clone, "--replicates")
    assert f"{BASE - 1} are in the run-cache, 0 to run" in output
    assert f"{CHANGE - 1} are in the run-cache, 0 to run" in output
    assert ": done" not in output
    (comment,) = stand_in.comments
    assert "the change is better" in comment["body"]
    assert "is better than one of the old in 100 % of cases" in comment["body"]
