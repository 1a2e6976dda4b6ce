"""Tells a change of the recipe from one of seeds and data alone."""

from contextlib import chdir
from pathlib import Path

import pytest

from reprise.dvc.history.reader import RevisionReader
from reprise.review.recipe import is_same_recipe
from tests.conftest import made_once
from tests.reprise.corpus import Made
from tests.reprise.review.repository import branch_off, commit, run_first

# The folder `work` has code beside data that DVC tracks.
PIPELINE = """
stages:
  train:
    cmd: >-
      python work/train.py --seed ${train.seed} --lr ${train.lr} ${train} &&
      echo ${ train.seed }${train.lr}${train.seed} \\${HOME}
    deps: [work, rows.csv]
    params: [train, split.yaml: [train.seed]]
    meta: {reprise: {replicates: {param: train.seed}}}
    outs: [model.txt]
    metrics: [m.json: {cache: false}]
  each:
    foreach: [north, south]
    do:
      cmd: ['echo ${item} ${train.seed}', 'touch ${item}.txt']
      deps: [model.txt]
      outs: ['${item}.txt']
"""
PARAMS = "train: {seed: 1, lr: 0.1}\n"
TRAIN = "import sys\nprint(sys.argv, file=open('model.txt', 'w'))\nopen('m.json', 'w').write('1')\n"


@pytest.fixture(scope="module")
def first(commands: str, shared_folder: Path) -> Made:
    folder = made_once(shared_folder / "recipe", lambda path: make(path, commands))
    return Made(folder, {}, commands)


def make(folder: Path, commands: str) -> Made:
    files = {
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "split.yaml": "train: {seed: 1}\n",
        "work/train.py": TRAIN,
        "work/raw/a": "1\n",
        "rows.csv": "id\n1\n",
    }
    made = Made(folder, {"files": files}, commands).create()
    return run_first(made, "work/raw")


@pytest.fixture
def made(first: Made, tmp_path: Path) -> Made:
    return branch_off(first, tmp_path / "copy")


def has_same_recipe(made: Made, commit_: str | None) -> bool:
    with chdir(made.root), RevisionReader(made.folder / "temporary") as reader:
        old = reader.read("main", reader.commit("main"))
        return is_same_recipe(reader, old, reader.read("new", commit_ and reader.commit(commit_)))


def change(made: Made, files: dict[str, str]) -> None:
    made.edit({**files})
    if "work/raw/a" in files:
        made.run("dvc", "add", "-q", "work/raw")
    made.run("dvc", "repro")


@pytest.mark.parametrize(
    ("files", "same"),
    [
        ({"params.yaml": PARAMS.replace("seed: 1", "seed: 2")}, True),
        ({"work/raw/a": "2\n"}, True),
        ({"rows.csv": "id\n2\n"}, True),
        ({"params.yaml": PARAMS.replace("0.1", "0.2")}, False),
        ({"split.yaml": "train: {seed: 2}\n"}, False),  # another file's
        ({"work/train.py": TRAIN + "# other\n"}, False),
        ({"dvc.yaml": PIPELINE.replace("--seed", "--other")}, False),
        ({"dvc.yaml": PIPELINE.replace("--seed ${train.seed}", "--seed 1")}, False),
        ({"params.yaml": "train: {seed: 1, lr: 0.1, more: x}\n"}, False),
        ({"params.yaml": "train: {seed: 2, lr: 0.1}\nother: 1\n", "work/raw/a": "2\n"}, True),
    ],
)
def test_seeds_in_commands_and_data_beside_code_are_no_change(
    files: dict[str, str], same: bool, made: Made
) -> None:
    change(made, files)
    assert has_same_recipe(made, None) is same
    commit(made, "change")
    assert has_same_recipe(made, "HEAD") is same
