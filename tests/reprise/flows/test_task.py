"""What a task run does with its stage's job."""

import sys
from pathlib import Path

import pytest

from reprise.flows.mailbox import Mailbox
from reprise.flows.task import run_once
from reprise.process.job import Job, JobEnd, JobResult

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.mark.parametrize("group", [None, "reprise-gpu"])
def test_a_job_that_was_to_end_before_it_had_a_slot_does_not_start(
    tmp_path: Path, group: str | None
) -> None:
    box = Mailbox.new(tmp_path, 0)
    box.put("start-1", {"folder": str(tmp_path), "note": str(tmp_path / "note")})
    box.put("signal", 2)
    job = Job([("", [sys.executable, "-c", "open('ran', 'w')"])], {}, None, tmp_path / "log")
    run_once(job, box, group, 1)
    assert JobResult(**box.get("outcome-1")) == JobResult(JobEnd.INTERRUPTED, "interrupted", 0.0)
    assert not (tmp_path / "ran").exists()
