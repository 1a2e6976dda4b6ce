"""Test that `reprise plan` says what a run then does: reasons, kinds, exit codes, JSON."""

import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.reprise.corpus import REPOSITORIES, Made
from tests.reprise.random_dags import dag, edit

EDITS = int(os.environ.get("EDITS", "500"))


def chain(tmp_path: Path, commands: str) -> Made:
    return Made(tmp_path, REPOSITORIES["chain"], commands).create()


def kinds(made: Made, *options: str) -> dict[str, str]:
    plan = json.loads(made.run("reprise", "plan", "--json", *options))
    return {s["stage"]: s["kind"] for s in plan["stages"]}


def test_everything_runs_in_a_fresh_repository(tmp_path: Path, commands: str) -> None:
    made = chain(tmp_path, commands)
    assert kinds(made) == {"one": "run", "two": "run", "three": "run"}
    assert "one    never ran" in made.run("reprise", "plan")


def test_what_depends_on_a_stage_that_runs_may_run(tmp_path: Path, commands: str) -> None:
    made = chain(tmp_path, commands)
    made.run("reprise", "run")
    made.edit({"a.txt": "2\n"})
    assert kinds(made) == {"one": "run", "two": "may run", "three": "may run"}
    lines = made.run("reprise", "plan").splitlines()
    assert lines[0].startswith("  run        one    a.txt modified  (last time ")
    assert lines[1].startswith("  may run    two    if one changes  (last time ")


def test_what_the_run_cache_has_is_restored_down_the_graph(tmp_path: Path, commands: str) -> None:
    made = chain(tmp_path, commands)
    made.run("reprise", "run")
    made.edit({"a.txt": "2\n"})
    made.run("reprise", "run")
    made.edit({"a.txt": "1\n"})
    assert kinds(made) == {"one": "restored", "two": "restored", "three": "restored"}
    assert "3 restored" in made.run("reprise", "run")
    assert kinds(made) == {"one": "unchanged", "two": "unchanged", "three": "unchanged"}


def test_the_exit_code_says_whether_there_is_something_to_do(tmp_path: Path, commands: str) -> None:
    made = chain(tmp_path, commands)
    made.run("reprise", "plan", "--exit-code", code=2)
    made.run("reprise", "run")
    made.run("reprise", "plan", "--exit-code", code=0)


def test_reasons_name_every_changed_key_with_both_values(tmp_path: Path, commands: str) -> None:
    made = Made(tmp_path, REPOSITORIES["params_yaml"], commands).create()
    made.run("reprise", "run")
    made.edit({"params.yaml": "train: {lr: 0.1, layers: [1], deep: {a: 1, b: 'no'}}\nseed: 42\n"})
    plan = made.run("reprise", "plan")
    assert "key    params.yaml: train.lr 0.001 → 0.1" in plan
    assert "params.yaml: train.layers [1, 2] → [1]; params.yaml: train.deep.b yes → no" in plan


def test_a_params_file_that_a_stage_writes_is_waited_for(tmp_path: Path, commands: str) -> None:
    text = """stages:
  a: {cmd: 'echo "{\\"k\\": $(cat a.in)}" > p.json', deps: [a.in], outs: [p.json]}
  b: {cmd: cat p.json > b, params: [p.json: [k]], outs: [b]}
"""
    made = Made(tmp_path, {"files": {"a.in": "1\n", "dvc.yaml": text}}, commands).create()
    made.run("reprise", "run")
    made.edit({"a.in": "2\n"})
    assert kinds(made) == {"a": "run", "b": "may run"}
    assert "2 ran" in made.run("reprise", "run")


def test_a_plan_changes_nothing(tmp_path: Path, commands: str) -> None:
    made = chain(tmp_path, commands)
    before = made.state()
    made.run("reprise", "plan")
    assert made.state() == before


@pytest.mark.slow
def test_the_plan_is_the_truth(tmp_path: Path, commands: str) -> None:
    """Compare plans with what `dvc repro` runs, after EDITS edits of 20 graphs.

    run ⊆ what `dvc repro` runs ⊆ run ∪ may run; unchanged and restored never run.
    """
    table: Counter[tuple[str, str]] = Counter()
    for seed in range(20):
        rng = random.Random(seed)
        made = Made(tmp_path / str(seed), dag(rng), commands).create()
        for i in range(EDITS // 20 + 1):
            done = edit(rng, [made]) if i else "first run"
            planned = kinds(made)
            output = made.run("dvc", "repro", code=None)
            ran = set()
            for line in output.splitlines():
                if line.startswith("Running stage"):
                    ran.add(line.split("'")[1])
            for stage, kind in planned.items():
                table[kind, "ran" if stage in ran else "did not"] += 1
                case = (seed, done, stage, kind, output)
                assert kind != "run" or stage in ran or "ERROR" in output, case
                assert stage not in ran or kind in ("run", "may run"), case
    print(f"\n{'':<10} {'ran':>8} {'did not':>8}")
    for kind in ("unchanged", "restored", "run", "may run"):
        print(f"{kind:<10} {table[kind, 'ran']:>8} {table[kind, 'did not']:>8}")
