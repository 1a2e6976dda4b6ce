"""What runs are called in a list of many: project, branch or commit, and what started them."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from reprise.flows.names import Trigger, find_revision, find_trigger, run_name, run_tags
from tests.reprise.runner.repository import Make, make

__all__ = ["make"]  # a fixture
pytestmark = pytest.mark.xdist_group("prefect")


@pytest.mark.parametrize(
    ("fields", "trigger"),
    [
        ({"tags": ["digits", "main", "command line"]}, Trigger.COMMAND_LINE),
        ({"tags": ["retraining"]}, Trigger.RETRAINING),
        ({}, Trigger.PYTHON),
        ({"deployment_id": uuid4(), "auto_scheduled": True}, Trigger.SCHEDULE),
        ({"deployment_id": uuid4()}, Trigger.BY_HAND),
        (
            {"deployment_id": uuid4(), "created_by": {"type": "AUTOMATION"}},
            Trigger.AUTOMATION,
        ),
    ],
)
def test_what_started_a_run(fields: dict[str, Any], trigger: Trigger) -> None:
    assert find_trigger(FlowRun(flow_id=uuid4(), **fields)) is trigger


def test_a_run_is_named_after_the_branch_or_the_commit(make: Make) -> None:
    made = make({}, {"prefect.yaml": "name: digits\n", "sub/x": ""})
    made.run("git", "checkout", "-qb", "feature/x")
    assert find_revision(made.root) == "feature/x"  # before its first commit
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "first")
    expected = ["digits", "feature/x", "command line"]
    assert run_tags(made.root / "sub", Trigger.COMMAND_LINE) == expected
    made.run("git", "checkout", "-q", "--detach")
    commit = made.run("git", "rev-parse", "--short", "HEAD").strip()
    assert find_revision(made.root) == commit
    assert run_name("digits", commit, Trigger.SCHEDULE) == f"digits {commit} (schedule)"


def test_without_git_there_is_no_revision(tmp_path: Path) -> None:
    (tmp_path / "Some Folder").mkdir()
    assert find_revision(tmp_path / "gone") is None
    assert run_tags(tmp_path / "Some Folder", Trigger.PYTHON) == ["some-folder", "Python"]
    assert run_name("digits", None, Trigger.PYTHON) == "digits (Python)"
