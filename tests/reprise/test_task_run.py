"""What a task run does with its stage's job."""

import sys
from pathlib import Path

import pytest

from reprise.box import Box
from reprise.processes import Job, Outcome
from reprise.task_run import run_once

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.mark.parametrize("group", [None, "reprise-gpu"])
def test_a_job_that_was_to_end_before_it_had_a_slot_does_not_start(tmp_path: Path, group: str | None) -> None:
    box = Box.new(tmp_path, 0)
    box.put("start-1", {"folder": str(tmp_path), "note": str(tmp_path / "note")})
    box.put("signal", 2)
    job = Job([("", [sys.executable, "-c", "open('ran', 'w')"])], {}, None, tmp_path / "log")
    run_once(job, box, group, 1)
    assert Outcome(**box.get("outcome-1")) == Outcome("interrupted", 0.0)
    assert not (tmp_path / "ran").exists()
