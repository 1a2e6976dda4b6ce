"""What is recorded is what was used, though inputs are edited while a stage runs."""

import json
import time
from pathlib import Path

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.runner.edits import CASES, Waiting
from tests.reprise.runner.repository import Make, make, meta, stage, start, wait_for

__all__ = ["make"]  # a fixture
SAFE = ("file_by_rename", "param")  # edits of these do not reach the command in a sandbox


def test_nothing_is_stale_after_an_edit_while_a_stage_runs(make: Make, tmp_path: Path) -> None:
    waiting = Waiting.make(make, CASES, tmp_path)
    output = waiting.check()
    recorded = [case for case in CASES if f"{case}: done" in output]
    assert recorded == [case for case in CASES if case.startswith(SAFE)]


def test_nothing_is_recorded_after_an_edit_while_a_stage_runs_without_a_sandbox(
    make: Make, tmp_path: Path
) -> None:
    waiting = Waiting.make(make, CASES, tmp_path, **meta(sandbox=False))
    output = waiting.check()
    assert "1 → 2): its outs are there, but nothing is recorded; the next run runs it" in output
    assert ": done" not in output


@pytest.mark.slow
def test_nothing_is_recorded_after_an_edit_in_a_run_without_sandboxes(
    make: Make, tmp_path: Path
) -> None:
    waiting = Waiting.make(make, CASES, tmp_path)
    assert ": done" not in waiting.check("--no-sandbox")


def test_what_was_not_recorded_is_nowhere(make: Make, tmp_path: Path) -> None:
    waiting = Waiting.make(make, ["file_in_place_late"], tmp_path)
    waiting.run(2)
    root = waiting.made.root
    assert waiting.out("file_in_place_late") == 2
    assert not (root / "dvc.lock").exists()
    assert not (root / ".dvc/cache").exists()
    assert list((root / ".dvc/tmp/reprise/journal").iterdir()) == []


def test_stages_below_one_that_is_not_recorded_are_skipped(make: Make, tmp_path: Path) -> None:
    name = "file_in_place_late"
    below = stage(f"cat {name}.out > below", [f"{name}.out"], "below")
    waiting = Waiting.make(make, [name], tmp_path, below={"below": below})
    assert "1 failed, 1 skipped" in waiting.run(2)


def test_an_edit_between_two_attempts_is_what_the_second_uses(make: Make, tmp_path: Path) -> None:
    """The folder was hashed before the first attempt, and DVC's object of it is the same."""
    word = tmp_path / "word"
    made = make(
        {
            "a": stage(
                f"cat a.in d/b.txt > a; test -e {word} || {{ touch {word}; exit 1; }}",
                ["a.in", "d"],
                "a",
                params=["x"],
                **meta(retries=1, retry_delay=1.5),
            )
        },
        {"d/b.txt": "1\n", "params.yaml": "x: 1\n"},
    )
    with start(made) as process:
        wait_for(word)
        time.sleep(0.3)
        made.edit({"a.in": "2\n", "d/b.txt": "2\n", "params.yaml": "x: 2\n"})
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert (made.root / "a").read_text() == "2\n2\n"
    assert made.run("dvc", "status").strip() == "Data and pipelines are up to date."


def test_an_edit_before_a_stage_starts_is_what_it_uses(make: Make, tmp_path: Path) -> None:
    """Another stage had the folder hashed when the run began."""
    word, go = tmp_path / "word", tmp_path / "go"
    wait = f"touch {word}; while [ ! -e {go} ]; do sleep 0.05; done"
    made = make(
        {
            "first": stage("cat d/b.txt > first", ["d"], "first"),
            "long": stage(f"cat first > long; {wait}", ["first"], "long"),
            "last": stage("cat d/b.txt long > last", ["d", "long"], "last"),
        },
        {"d/b.txt": "1\n"},
    )
    with start(made) as process:
        wait_for(word)
        made.edit({"d/b.txt": "2\n"})
        go.touch()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert (made.root / "last").read_text() == "2\n1\n"
    assert json.loads(made.run("dvc", "status", "--json")).keys() == {"first"}


def test_other_params_may_be_edited_without_a_sandbox(make: Make, tmp_path: Path) -> None:
    word, go = tmp_path / "word", tmp_path / "go"
    wait = f"touch {word}; while [ ! -e {go} ]; do sleep 0.05; done"
    made = make(
        {"a": stage(f"cat a.in > a; {wait}", ["a.in"], "a", params=["x"], **meta(sandbox=False))},
        {"params.yaml": "x: 1\ny: 1\n"},
    )
    with start(made) as process:
        wait_for(word)
        made.edit({"params.yaml": "x: 1\ny: 2\n"})
        go.touch()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert made.run("dvc", "status").strip() == "Data and pipelines are up to date."


def test_what_python_compiles_in_a_dep_is_recorded_as_by_dvc_repro(
    tmp_path: Path, commands: str
) -> None:
    compiled = "mkdir -p src/__pycache__; echo 1 > src/__pycache__/a.pyc"
    a = stage(f"{compiled}; cat src/a.py > a", ["src"], "a", **meta(sandbox=False))
    files = {"src/a.py": "1\n", "dvc.yaml": text({"stages": {"a": a}})}
    Made.compare(tmp_path, {"files": files, "edits": [{"src/a.py": "2\n"}]}, commands)
    assert (tmp_path / "ours/repo/src/__pycache__/a.pyc").exists()
