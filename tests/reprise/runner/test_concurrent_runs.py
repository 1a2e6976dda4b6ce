"""Test runs while somebody else writes to the repository: an editor, DVC, another run."""

from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, stage, start, wait_for

__all__ = ["make"]  # the fixture


def test_a_folder_edited_during_a_run_is_hashed_as_the_command_read_it(make: Make) -> None:
    made = make({}, {"src/x": "one\n"})
    pid = made.folder / "pid"
    stages = {
        "a": stage(f"touch {pid}; sleep 1; cat a.in > a", ["a.in"], "a"),
        "b": stage("cat src/x > b", ["a", "src"], "b"),
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made)
    wait_for(pid)
    made.edit({"src/x": "two\n"})
    process.communicate(timeout=60)
    assert (made.root / "b").read_text() == "two\n"
    made.edit({"src/x": "one\n"})
    assert "run        b  src modified" in made.run("reprise", "plan")


def test_an_entry_that_another_run_renewed_stays(make: Make) -> None:
    made = make({})
    pid = made.folder / "pid"
    stages = {
        "a": {"cmd": "cat a.in > a", "deps": ["a.in"], "outs": [{"a": {"cache": False}}]},
        "z": stage(f"touch {pid}; sleep 4; cat other > z", ["other"], "z"),
    }
    made.edit({"other": "1\n", "dvc.yaml": text({"stages": stages})})
    process = start(made, "-j1")
    wait_for(pid)
    made.edit({"a.in": "2\n"})
    made.run("dvc", "repro", "a")
    process.communicate(timeout=60)
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_two_runs_at_once_share_the_work(make: Make) -> None:
    made = make({})
    runs = made.folder / "runs"
    stages = {
        f"s{i}": stage(f"echo s{i} >> {runs}; sleep 0.3; cat a.in > o{i}", ["a.in"], f"o{i}")
        for i in range(4)
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    both = [start(made, "-j2") for _ in range(2)]
    for process in both:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
    assert sorted(runs.read_text().split()) == ["s0", "s1", "s2", "s3"]
    assert "Data and pipelines are up to date" in made.run("dvc", "status")


def test_dvc_repro_meanwhile_is_safe(make: Make) -> None:
    made = make({})
    pid = made.folder / "pid"
    stages = {
        "slow": stage(f"touch {pid}; sleep 1; cat a.in > slow", ["a.in"], "slow"),
        "other": stage("cat a.in > other", ["a.in"], "other"),
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    process = start(made, "slow")
    wait_for(pid)
    assert "is busy" in made.run("dvc", "repro", "slow", code=255)
    made.run("dvc", "repro", "other")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Data and pipelines are up to date" in made.run("dvc", "status")
