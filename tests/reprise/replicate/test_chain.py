"""What is run again begins where the seed is first used, in whatever way."""

from pathlib import Path
from typing import Any

import pytest

from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.replicate.repository import PREDICTIONS
from tests.reprise.review.repository import commit

STAGES: dict[str, Any] = {
    "first": {"cmd": "cat given > first", "deps": ["given"], "outs": ["first"]},
    "train": {
        "cmd": "{ echo id,correct; echo 1,1; cat first params.yaml; } > out.csv",
        "deps": ["first"],
        "params": ["train.seed"],
        "outs": [{"out.csv": {"meta": {"reprise": PREDICTIONS}}}],
        "meta": {"reprise": {"replicates": {"param": "train.seed", "base": 2, "change": 2}}},
    },
}


def make(folder: Path, commands: str, stages: dict[str, Any]) -> Made:
    files = {
        "dvc.yaml": text({"stages": {**STAGES, **stages}}),
        "params.yaml": "train: {seed: 1, lr: 2}\nmodels:\n  - given\n",
        "given": "1\n",
    }
    made = Made(folder, {"files": files}, commands).create()
    made.run("dvc", "repro")
    commit(made, "first")
    return made


@pytest.mark.parametrize(
    "first",
    [
        {"cmd": "echo ${train.seed} ${train.lr} > first"},
        {"cmd": "echo ${train.lr}${train.seed} \\${HOME} > first"},
        {"cmd": "echo ${train} > first"},
        {"cmd": ["cat given > first", "echo ${ train.seed } >> first"]},
        {"cmd": "echo ${own.seed} > first", "vars": [{"own": {"seed": 7}}], "params": ["train"]},
    ],
    ids=["alone", "beside another", "all of a section", "a list", "declared as a section"],
)
def test_a_seed_in_a_command_begins_the_chain(
    first: dict[str, Any], tmp_path: Path, commands: str
) -> None:
    made = make(tmp_path, commands, {"first": {**STAGES["first"], **first}})
    assert "0 are in the run-cache, 1 to run" in made.run("reprise", "replicate")
    assert "1 are in the run-cache, 0 to run" in made.run("reprise", "replicate")
    (made.root / "first").unlink()
    assert "1 are in the run-cache, 0 to run" in made.run("reprise", "replicate", "HEAD")


@pytest.mark.parametrize("cmd", ["echo '\\${train.seed}' > first", "echo ${train.lr} > first"])
def test_what_has_no_seed_is_not_run_again(cmd: str, tmp_path: Path, commands: str) -> None:
    """Its name, escaped, is none."""
    count = f"echo >> {tmp_path}/count; {cmd}"
    made = make(tmp_path, commands, {"first": {**STAGES["first"], "cmd": count}})
    made.run("reprise", "replicate")
    assert (tmp_path / "count").read_text() == "\n"


@pytest.mark.parametrize("frozen", ["train", "between"])
def test_a_frozen_stage_of_the_chain_is_refused(frozen: str, tmp_path: Path, commands: str) -> None:
    train = {**STAGES["train"], "outs": ["model"], "cmd": "cat params.yaml > model"}
    between = {
        "cmd": "{ echo id,correct; echo 1,1; cat model; } > out.csv",
        "deps": ["model"],
        "outs": STAGES["train"]["outs"],
    }
    made = make(tmp_path, commands, {"train": train, "between": between})
    made.run("dvc", "freeze", frozen)
    (line,) = made.run("reprise", "replicate", code=1).splitlines()
    assert line.startswith(f"reprise: the working tree: stage '{frozen}': found it frozen; ")
    made.run("dvc", "unfreeze", frozen)
    made.run("dvc", "freeze", "first")
    assert "1 to run" in made.run("reprise", "replicate")


def test_predictions_that_have_the_seed_in_their_name_are_one_line(
    tmp_path: Path, commands: str
) -> None:
    train = {
        **STAGES["train"],
        "cmd": "{ echo id,correct; echo 1,1; } > ${train.seed}.csv",
        "outs": [{"${train.seed}.csv": {"meta": {"reprise": PREDICTIONS}}}],
    }
    made = make(tmp_path, commands, {"train": train})
    output = made.run("reprise", "replicate", code=1)
    assert output.splitlines()[-1] == (
        "reprise: the working tree: train with train.seed 2: found no 1.csv after the run; "
        "expected its stage to write it with each seed"
    )


def test_where_a_hook_says_that_git_is_means_nothing_in_a_copy(
    tmp_path: Path, commands: str
) -> None:
    """Git sets these for its hooks; commands would find the user's repository by them."""
    cmd = 'test "$(git rev-parse --absolute-git-dir)" = "$PWD/.git" && cat given > first'
    stages = {"first": {**STAGES["first"], "cmd": cmd, "params": ["train.seed"]}}
    made = make(tmp_path, commands, stages)
    index = made.root / ".git" / "index"
    before = index.read_bytes()
    variables = (
        f"GIT_DIR={made.root}/.git",
        f"GIT_WORK_TREE={made.root}",
        f"GIT_INDEX_FILE={index}",
    )
    assert "1 to run" in made.run("env", *variables, "reprise", "replicate")
    assert "0 to run" in made.run("env", *variables, "reprise", "replicate")
    assert index.read_bytes() == before
