"""Recorded hashes stand for data that is not there only where nothing changed since."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import made_once
from tests.reprise.corpus import Made
from tests.reprise.random_dags import text
from tests.reprise.replicate.repository import PREDICTIONS
from tests.reprise.review.repository import branch_off, commit, run_first

SEED = "sed -n 's/.*seed: //p' params.yaml"
# `raw`, by way of `rows`, is read by `train`; `other` by nobody.
STAGES: dict[str, Any] = {
    "raw": {"cmd": "cp raw.sh raw.txt", "deps": ["raw.sh"], "outs": ["raw.txt"]},
    "rows": {
        "cmd": "cat raw.txt data.txt > rows.txt",
        "deps": ["raw.txt", "data.txt"],
        "params": ["rows"],
        "outs": ["rows.txt"],
    },
    "train": {
        "cmd": f"{{ echo id,correct; echo 1,1; cat rows.txt; {SEED}; }} > out.csv",
        "deps": ["rows.txt"],
        "params": ["train.seed"],
        "outs": [{"out.csv": {"meta": {"reprise": PREDICTIONS}}}],
        "meta": {"reprise": {"replicates": {"param": "train.seed", "base": 2, "change": 2}}},
    },
    "other": {"cmd": "cp other.sh other.txt", "deps": ["other.sh"], "outs": ["other.txt"]},
}
PARAMS = "rows: 1\ntrain:\n  seed: 1\n"


def make(folder: Path, commands: str) -> Made:
    files = {
        "dvc.yaml": text({"stages": STAGES}),
        "params.yaml": PARAMS,
        "raw.sh": "1\n",
        "other.sh": "1\n",
        "data.txt": "1\n",
    }
    made = Made(folder, {"files": files}, commands).create()
    return run_first(made, "data.txt")


@pytest.fixture
def made(tmp_path: Path, commands: str, shared_folder: Path) -> Made:
    folder = made_once(shared_folder / "stale", lambda path: make(path, commands))
    return branch_off(Made(folder, {}, commands), tmp_path / "copy")


def changed(name: str, **keys: Any) -> str:
    return text({"stages": {**STAGES, name: {**STAGES[name], **keys}}})


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"raw.sh": "2\n"}, "something changed since raw ran; first `reprise run`"),
        ({"params.yaml": PARAMS.replace("rows: 1", "rows: 2")}, "since rows ran"),
        ({"dvc.yaml": changed("rows", cmd="cat raw.txt > rows.txt")}, "since rows ran"),
        ({"dvc.yaml": changed("rows", deps=["raw.txt", "data.txt", "raw.sh"])}, "since rows ran"),
        ({"params.yaml": PARAMS.replace("seed: 1", "seed: 5")}, "since train ran"),
    ],
)
def test_what_changed_since_it_ran_is_not_replicated(
    files: dict[str, str], what: str, made: Made
) -> None:
    """Nor does the run-cache say that these are known, where data is missing."""
    made.run("reprise", "replicate")
    made.edit({**files})
    (made.root / "rows.txt").unlink()
    (line,) = made.run("reprise", "replicate", code=1).splitlines()
    assert line.startswith("reprise: the working tree is stale: ")
    assert what in line
    commit(made, "change")
    (line,) = made.run("reprise", "replicate", "HEAD", code=1).splitlines()
    assert line.startswith("reprise: HEAD is stale: ")
    assert what in line


def test_a_stage_that_never_ran_is_not_replicated(made: Made) -> None:
    more = {"cmd": "echo 1 > more.txt", "outs": ["more.txt"]}
    rows = {**STAGES["rows"], "deps": ["raw.txt", "data.txt", "more.txt"]}
    made.edit({"dvc.yaml": text({"stages": {**STAGES, "more": more, "rows": rows}})})
    (line,) = made.run("reprise", "replicate", code=1).splitlines()
    assert line == "reprise: the working tree: stage 'more' has never run; first `reprise run`"


@pytest.mark.parametrize("name", ["data.txt", "rows.txt"])
def test_data_that_was_edited_is_not_replicated(name: str, made: Made) -> None:
    made.edit({name: "edited\n"})
    (line,) = made.run("reprise", "replicate", code=1).splitlines()
    assert f"is not what dvc.lock and the .dvc files say: {name}; first `" in line
    assert "0 to run" not in made.run("reprise", "replicate", "HEAD")


def test_what_no_training_comes_from_may_be_stale(made: Made) -> None:
    made.edit({"other.sh": "2\n", "other.txt": "edited\n"})
    assert "out.csv" not in made.run("reprise", "replicate")


DATA = "work/raw/a work/raw/b/c work/rows"
MIXED = {
    "train": {
        "cmd": f"{{ echo id,correct; echo 1,1; cat {DATA}; {SEED}; }} > out.csv",
        "deps": ["work"],
        "params": ["train.seed"],
        "outs": [{"out.csv": {"meta": {"reprise": PREDICTIONS}}}],
        "meta": {"reprise": {"replicates": {"param": "train.seed", "base": 2, "change": 3}}},
    },
    "rows": {"cmd": "echo 1 > work/rows", "outs": ["work/rows"]},
}


@pytest.fixture
def mixed(tmp_path: Path, commands: str) -> Made:
    """Return a repository whose training reads a folder with code and data, of a remote."""
    files = {
        "dvc.yaml": text({"stages": MIXED}),
        "params.yaml": PARAMS,
        "work/train.sh": "code\n",
        "work/raw/a": "1\n",
        "work/raw/b/c": "1\n",
    }
    made = Made(tmp_path, {"files": files}, commands).create()
    made.run("git", "checkout", "-qb", "main")
    made.run("dvc", "add", "-q", "work/raw")
    made.run("dvc", "repro")
    made.run("dvc", "remote", "add", "-qd", "store", str(tmp_path / "store"))
    commit(made, "first")
    made.run("dvc", "push", "-q", "--run-cache")
    return made


def remove_data(made: Made) -> None:
    """Remove the data from the workspace."""
    shutil.rmtree(made.root / "work/raw")
    (made.root / "work/rows").unlink()


def keep_listings_alone(made: Made) -> None:
    """Remove all data from the cache, but for listings of folders, and runs."""
    for file in (made.root / ".dvc/cache/files/md5").glob("*/*"):
        if file.suffix != ".dir":
            file.unlink()


@pytest.mark.parametrize("rev", [[], ["HEAD"]])
def test_a_folder_of_code_and_data_counts_with_its_data(rev: list[str], mixed: Made) -> None:
    """Whether the data is there, or in the cache, or in the remote alone."""
    assert "0 are in the run-cache" in mixed.run("reprise", "replicate", *rev, "--push")
    remove_data(mixed)
    assert ", 0 to run" in mixed.run("reprise", "replicate", *rev)
    keep_listings_alone(mixed)
    assert ", 0 to run" in mixed.run("reprise", "replicate", *rev)
    cache = mixed.root / ".dvc/cache/files/md5"
    assert len([*cache.glob("*/*")]) < 5  # the data was not pulled for it
    shutil.rmtree(cache)
    assert ", 0 to run" in mixed.run("reprise", "replicate", *rev)
    assert (mixed.root / "work/train.sh").read_text() == "code\n"


def test_a_folder_of_code_and_data_trains_with_its_data(mixed: Made) -> None:
    remove_data(mixed)
    keep_listings_alone(mixed)
    mixed.run("reprise", "replicate")
    params = mixed.root / "params.yaml"
    params.write_text(PARAMS.replace("seed: 1", "seed: 2"))
    mixed.run("dvc", "pull", "-q", "work/raw", "work/rows")
    assert "restored" in mixed.run("reprise", "plan", "train")
    mixed.run("reprise", "run")
    assert (mixed.root / "out.csv").read_text().split() == ["id,correct", "1,1", "1", "1", "1", "2"]


def test_code_of_such_a_folder_that_changed_is_not_replicated(mixed: Made) -> None:
    remove_data(mixed)
    mixed.edit({"work/train.sh": "other\n"})
    (line,) = mixed.run("reprise", "replicate", code=1).splitlines()
    assert "something changed since train ran" in line
    commit(mixed, "change")
    (line,) = mixed.run("reprise", "replicate", "HEAD", code=1).splitlines()
    assert "something changed since train ran" in line
