"""What names the branch of a challenger, and what is committed to it, by dvc.yaml and dvc.lock."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import pytest

from reprise.retrain.fingerprint import digest_of_inputs
from reprise.retrain.stages import load_stages
from tests.conftest import one_in
from tests.reprise.retrain.test_clone import git

PIPELINE = """
stages:
  split:
    cmd: python split.py
    deps: [split.py, rows.csv]
    params: [share]
    outs: [parts]
  train:
    wdir: model
    cmd: python ../train.py
    deps: [../parts/train.csv, ../parts]
    outs: [weights]
    metrics: [metrics.json: {cache: false}]
"""
LOCK = """
schema: '2.0'
stages:
  split:
    cmd: python split.py
    deps: [{path: rows.csv, md5: data}, {path: split.py, md5: code}]
    params: {params.yaml: {share: 0.2}}
    outs: [{path: parts, md5: parts.dir}]
  train:
    cmd: python ../train.py
    deps: [{path: ../parts, md5: parts.dir}, {path: ../parts/train.csv, md5: rows}]
    outs: [{path: weights, md5: weights}]
"""
SOURCE = "deps: [{path: /elsewhere, etag: old}]\nouts: [{path: rows.csv, md5: data}]\n"


@pytest.fixture(scope="module")
def other() -> Iterator[Executor]:
    """A process to open repositories in: that replaces parts of DVC, which test_contract reads."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as made:
        yield made


def digest(root: Path) -> str:
    return digest_of_inputs(load_stages(root))


def kept(root: Path) -> set[str]:
    return {
        str(path.relative_to(root)) for stage in load_stages(root) for path in stage.kept_by_git
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    for folder in (".dvc", "model"):
        (tmp_path / folder).mkdir()
    files = {
        "dvc.yaml": PIPELINE,
        "dvc.lock": LOCK,
        "rows.csv.dvc": SOURCE,
        ".dvc/config": "",
        "params.yaml": "share: 0.2",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    one_in(
        3,
        [
            ("dvc.lock", "md5: weights", "md5: other", True),
            (
                "dvc.lock",
                "md5: parts.dir",
                "md5: other.dir",
                True,
            ),  # written by a stage, and read by one
            ("dvc.lock", "md5: rows", "md5: other", True),  # the same, inside
            ("rows.csv.dvc", "etag: old", "etag: new", True),
            ("rows.csv.dvc", "md5: data", "md5: other", False),
            ("dvc.lock", "md5: data", "md5: other", False),
            ("dvc.lock", "md5: code", "md5: other", False),
            ("dvc.lock", "share: 0.2", "share: 0.3", False),
            ("dvc.lock", "cmd: python split.py", "cmd: python3 split.py", False),
        ],
    ),
)
def test_the_digest_is_of_what_goes_in(
    file: str, old: str, new: str, same: bool, root: Path, other: Executor
) -> None:
    before = other.submit(digest, root).result()
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))
    assert (other.submit(digest, root).result() == before) is same


def test_git_keeps_lock_files_uncached_outs_and_ignores(root: Path, other: Executor) -> None:
    files = {"dvc.lock", "rows.csv.dvc", ".gitignore", "model/.gitignore", "model/metrics.json"}
    assert other.submit(kept, root).result() == files
