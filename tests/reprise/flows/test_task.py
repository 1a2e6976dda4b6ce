"""What a task run does with its stage's job."""

import sys
from pathlib import Path

import pytest
from prefect.states import Failed

from reprise.flows.messages import End, StageMailbox, Start
from reprise.flows.mirror import FlowRunner
from reprise.flows.progress import LiveRows
from reprise.flows.states import StateName, make_state
from reprise.flows.task import RetryRequested, _is_retry_requested, run_attempt
from reprise.process.job import Job, JobEnd, JobResult
from reprise.runner.runner import Runner

pytestmark = pytest.mark.xdist_group("prefect")


def test_what_a_flow_runner_does_otherwise_the_runner_asks_for() -> None:
    own = {name for name in vars(FlowRunner) if not name.startswith("__")}
    assert own == {"start_worker", "show_output"}
    assert own <= set(vars(Runner))


@pytest.mark.parametrize("group", [None, "gpu"])
def test_a_job_that_was_to_end_before_it_had_a_slot_does_not_start(
    tmp_path: Path, group: str | None
) -> None:
    mailbox = StageMailbox.create(tmp_path, 0)
    mailbox.send_start(1, Start(tmp_path, tmp_path / "note"))
    mailbox.send_signal(2)
    job = Job([("", [sys.executable, "-c", "open('ran', 'w')"])], {}, None, tmp_path / "log")
    run_attempt(job, mailbox, group, 1, LiveRows(tmp_path / "live.csv", "digits-train", {}))
    assert mailbox.result(1) == JobResult(JobEnd.INTERRUPTED, "interrupted", 0.0)
    assert not (tmp_path / "ran").exists()


def test_a_result_comes_back_with_the_end_that_it_was_sent_with(tmp_path: Path) -> None:
    mailbox = StageMailbox.create(tmp_path, 0)
    for attempt, end in enumerate(JobEnd):
        mailbox.send_result(attempt, JobResult(end, end.description, 0.5))
        result = mailbox.result(attempt)
        assert result == JobResult(end, end.description, 0.5)
        assert isinstance(result.end, JobEnd)


@pytest.mark.parametrize(
    ("name", "state_type"),
    [
        (StateName.COMPLETED, "COMPLETED"),
        (StateName.RESTORED, "COMPLETED"),
        (StateName.UNCHANGED, "COMPLETED"),
        (StateName.FAILED, "FAILED"),
        (StateName.TIMED_OUT, "FAILED"),
        (StateName.CANCELLED, "CANCELLED"),
    ],
)
def test_a_task_run_ends_as_the_runner_says(
    name: StateName, state_type: str, tmp_path: Path
) -> None:
    mailbox = StageMailbox.create(tmp_path, 0)
    mailbox.send_end(name, "why")
    decision = mailbox.wait_for_decision(1)
    assert decision == End(name, "why")
    state = make_state(name, "why")
    assert (state.name, state.type, state.message) == (name.value, state_type, "why")


def test_an_attempt_is_repeated_by_the_type_of_its_exception() -> None:
    assert _is_retry_requested(None, None, Failed(data=RetryRequested("exit status 3")))
    assert not _is_retry_requested(None, None, Failed(data=ValueError("RetryRequested")))
    assert not _is_retry_requested(None, None, Failed(message="RetryRequested('exit status 3')"))
