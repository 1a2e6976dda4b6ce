"""A copy of the working tree has what git sees there, whatever kind it was before."""

import os
import shutil
import subprocess
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo

from reprise.dvc.history.detached import changed_param, copy_revision, read_param
from reprise.errors import PipelineError
from tests.reprise.corpus import Made
from tests.reprise.review.repository import commit

FILES = {
    "dvc.yaml": "stages: {}\n",
    "file": "file\n",
    "folder/a": "a\n",
    "folder/b/c": "c\n",
    "elsewhere/x": "x\n",
    "kept": "kept\n",
    "gone": "gone\n",
}


def tree(root: Path) -> dict[str, str]:
    """Read the files and links, but those of git and DVC."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith((".git", ".dvc")) or (path.is_dir() and not path.is_symlink()):
            continue
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
    return found


@pytest.fixture
def made(tmp_path: Path, commands: str) -> Made:
    made = Made(tmp_path / "made", {"files": FILES}, commands).create()
    (made.root / "link").symlink_to("elsewhere")
    commit(made, "first")
    return made


@pytest.mark.parametrize("staged", [False, True])
def test_what_became_of_another_kind_is_copied_as_it_is(
    staged: bool, made: Made, tmp_path: Path
) -> None:
    root = made.root
    before = tree(root)
    (root / "file").unlink()
    (root / "file").mkdir()
    (root / "file/inside").write_text("inside\n")
    shutil.rmtree(root / "folder")
    (root / "folder").write_text("now a file\n")
    (root / "link").unlink()
    (root / "link").mkdir()
    (root / "link/x").write_text("not through the link\n")
    (root / "dangling").symlink_to("nowhere")
    (root / "to a folder").symlink_to("elsewhere")
    (root / "gone").unlink()
    (root / "new").mkdir()
    (root / "new/umlaut ä\n").write_text("new\n")
    (root / " begins with a blank").write_text("new\n")
    (root / "run.sh").write_text("true\n")
    (root / "run.sh").chmod(0o755)
    if staged:
        made.run("git", "add", "-A")
    with chdir(root):
        copy = copy_revision(tmp_path / "copy", None)
        commit_of_head = copy_revision(tmp_path / "head", "HEAD")
    assert tree(copy) == tree(root)
    assert tree(commit_of_head) == before
    assert os.access(copy / "run.sh", os.X_OK)
    assert (root / "elsewhere/x").read_text() == "x\n"
    assert (copy / "elsewhere/x").read_text() == "x\n"


def test_a_link_out_of_the_copy_leads_nothing_there(made: Made, tmp_path: Path) -> None:
    """HEAD has a link to a folder of the user's; the working tree a folder in its place."""
    outside = tmp_path / "outside"
    (outside / "images").mkdir(parents=True)
    (outside / "images/keep").write_text("keep\n")
    (made.root / "data").symlink_to(outside)
    commit(made, "link")
    (made.root / "data").unlink()
    (made.root / "data").mkdir()
    (made.root / "data/images").write_text("a file\n")
    made.run("git", "add", "-A")
    with chdir(made.root):
        copy = copy_revision(tmp_path / "copy", None)
    assert tree(copy) == tree(made.root)
    assert tree(outside) == {"images/keep": "keep\n"}


def test_a_folder_that_became_a_link_is_one(made: Made, tmp_path: Path) -> None:
    shutil.rmtree(made.root / "folder")
    (made.root / "folder").symlink_to("elsewhere")
    with chdir(made.root):
        copy = copy_revision(tmp_path / "copy", None)
    assert tree(copy) == tree(made.root)


def test_a_shallow_clone_is_copied(made: Made, tmp_path: Path) -> None:
    made.edit({"kept": "changed\n"})
    commit(made, "second")
    shallow = tmp_path / "shallow"
    made.run("git", "clone", "-q", "--depth", "1", f"file://{made.root}", shallow)
    with chdir(shallow):
        head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
        copy = copy_revision(tmp_path / "copy", head)
    assert tree(copy) == tree(shallow)


def test_what_was_never_committed_is_copied(tmp_path: Path, commands: str) -> None:
    made = Made(tmp_path, {"files": FILES}, commands).create()
    with chdir(made.root):
        copy = copy_revision(tmp_path / "copy", None)
    assert tree(copy) == tree(made.root)


def test_a_pipeline_in_a_folder_of_the_repository_is_found(tmp_path: Path, commands: str) -> None:
    made = Made(tmp_path, {}, commands)
    (made.root / "sub" / "inner").mkdir(parents=True)
    made.run("git", "init", "-q")
    made.edit({"top.txt": "1\n", "sub/data.csv": "1\n"})
    for command in ("init -q --subdir", "add -q data.csv"):
        made.run("sh", "-c", f"cd sub && dvc {command}")
    commit(made, "sub")
    head = made.run("git", "rev-parse", "HEAD").strip()
    with chdir(made.root / "sub" / "inner"):
        copy = copy_revision(tmp_path / "copy", head, ["data.csv"])
    assert copy == tmp_path / "copy" / "sub"
    assert (copy / "data.csv").read_text() == "1\n"


@pytest.mark.parametrize("level", ["--local", "--project"])
def test_the_cache_is_written_to_as_the_repository_does_now(
    level: str, made: Made, tmp_path: Path
) -> None:
    """Whatever the commit had: the cache is the same, and may be a group's."""
    keys = {"cache.shared": "group", "cache.type": "hardlink,copy"}
    for key, value in keys.items():
        made.run("dvc", "config", level, key, value)
    with chdir(made.root):
        copies = [copy_revision(tmp_path / (rev or "it"), rev) for rev in (None, "HEAD")]
    for copy in copies:
        with Repo(str(copy)) as repo:
            assert repo.config["cache"]["shared"] == "group"
            assert repo.config["cache"]["type"] == ["hardlink", "copy"]
            assert repo.cache.local_cache_dir == str(made.root / ".dvc" / "cache")


def test_another_value_is_there_until_the_end(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("train: {seed: 1}  # of all\n")
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    with pytest.raises(ZeroDivisionError), changed_param(file, "train.seed", 5):
        assert read_param(file, "train.seed") == 5
        _ = 1 / 0
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


@pytest.mark.parametrize("key", ["seed", "train.other", "train.seed.inner"])
def test_a_key_that_is_not_there_is_one_line(tmp_path: Path, key: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("train: {seed: 1}\n")
    with pytest.raises(PipelineError, match=f"params.yaml: {key}: found no such key"):
        read_param(file, key)
