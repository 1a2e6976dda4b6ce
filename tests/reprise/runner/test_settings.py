"""Test the settings that a stage has in `meta.reprise`."""

import time
from typing import Any

import pytest

from tests.reprise.random_dags import text
from tests.reprise.runner.repository import Make, make, meta, stage

__all__ = ["make"]  # the fixture


def test_a_stage_is_tried_again_after_a_failure(make: Make) -> None:
    count = "echo x >> {0}/tries; test $(wc -l < {0}/tries) = 3 && cat a.in > out"
    made = make({})
    command = count.format(made.folder)
    made.edit(
        {
            "dvc.yaml": text(
                {
                    "stages": {
                        "make": stage(command, ["a.in"], "out", **meta(retries=2, retry_delay=0.1))
                    }
                }
            )
        }
    )
    output = made.run("reprise", "run")
    assert "attempt 2 of 3 in 0.1 s" in output
    assert "attempt 3 of 3 in 0.2 s" in output
    assert "1 ran" in output


def test_a_stage_that_takes_too_long_is_ended_with_its_children(make: Make) -> None:
    made = make(
        {
            "make": stage(
                "sleep 100 & sleep 100; cat a.in > out", ["a.in"], "out", **meta(timeout=0.5)
            )
        }
    )
    start = time.monotonic()
    assert "make: failed: timed out after 0.5 s" in made.run("reprise", "run", code=1)
    assert time.monotonic() - start < 20
    assert not list((made.root / ".dvc/tmp/reprise/sandbox").iterdir())


def test_at_most_limit_stages_of_a_group_run_at_a_time(make: Make) -> None:
    made = make({})
    command = f"mkdir {made.folder}/busy && sleep 0.2 && rmdir {made.folder}/busy && cat a.in > "
    stages = {
        f"s{i}": stage(f"{command} o{i}", ["a.in"], f"o{i}", **meta(group="gpu")) for i in range(4)
    }
    made.edit({"dvc.yaml": text({"stages": stages})})
    assert "4 ran" in made.run("reprise", "run", "-j4")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"retrys": 1}, "meta.reprise.retrys: found 1; expected one of sandbox, retries"),
        (
            {"retries": -1},
            "meta.reprise.retries: found -1; expected input should be greater than or equal to 0",
        ),
        (
            {"timeout": "1h"},
            "meta.reprise.timeout: found '1h'; expected input should be a valid number",
        ),
        (
            {"visible": "runtime"},
            "meta.reprise.visible: found 'runtime'; expected input should be a valid list",
        ),
        ({"sandbox": 0}, "meta.reprise.sandbox: found 0; expected input should be a valid boolean"),
        ("yes", "meta.reprise: found 'yes'; expected a mapping"),
        (
            {"replicates": {"param": "seed", "base": 1}},
            "meta.reprise.replicates.base: found 1; expected input should be greater than or equal",
        ),
        (
            {"replicates": {"param": "seed", "change": 2.5}},
            "meta.reprise.replicates.change: found 2.5; expected input should be a valid integer",
        ),
        (
            {"replicates": {"param": "seed", "runs": 5}},
            "meta.reprise.replicates.runs: found 5; expected one of param, base, change",
        ),
        (
            {"replicates": {"param": ""}},
            "meta.reprise.replicates.param: found ''; expected string should have at least 1 char",
        ),
        (
            {"replicates": {"param": 5}},
            "meta.reprise.replicates.param: found 5; expected input should be a valid string",
        ),
        (
            {"replicates": {"base": 10}},
            "meta.reprise.replicates: found {'base': 10}; expected param: the key of the",
        ),
        ({"replicates": {}}, "meta.reprise.replicates: found {}; expected param: the key of the"),
        ({"replicates": 10}, "meta.reprise.replicates: found 10; expected a mapping"),
        ({"replicates": None}, "meta.reprise.replicates: found None; expected a mapping"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(
    make: Make, settings: Any, message: str
) -> None:
    bad = stage("cat x > y", ["x"], "y", meta={"reprise": settings})
    made = make({"x": stage("cat a.in > x", ["a.in"], "x"), "y": bad})
    output = made.run("reprise", "run", code=1)
    assert output.startswith(f"reprise: dvc.yaml: stage 'y': {message}")
    assert output.count("\n") == 1
    assert not (made.root / "x").exists()


def test_without_a_sandbox_a_command_runs_in_the_workspace(make: Make) -> None:
    made = make(
        {"make": stage("cat other > out", ["a.in"], "out", **meta(sandbox=False))}, {"other": "2\n"}
    )
    made.run("reprise", "run")
    assert (made.root / "out").read_text() == "2\n"
    made.edit({"dvc.yaml": text({"stages": {"make": stage("cat other > out", ["a.in"], "out")}})})
    made.run("reprise", "run", "-f", code=1)
    made.run("reprise", "run", "-f", "--no-sandbox")


@pytest.mark.parametrize("kind", ["", "folder"])
def test_visible_keys_are_read_and_not_recorded(
    make: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRISE_SANDBOX", kind)
    files = {"params.yaml": "a: 1\nb: {c: 2, d: 3}\nother: 4\n"}
    declared = stage("cat params.yaml > out", ["a.in"], "out", params=["a"])
    made = make({"make": {**declared, **meta(visible=["b.c"])}}, files)
    made.run("reprise", "run")
    assert (made.root / "out").read_text() == "a: 1\nb:\n  c: 2\n"
    lock = (made.root / "dvc.lock").read_text()
    assert "b.c" not in lock
    made.edit({"params.yaml": "a: 1\nb: {c: 5}\n"})
    assert "1 unchanged" in made.run("reprise", "run")
