"""A copy of the working tree has what git sees there, whatever kind it was before."""

import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from reprise.dvc.history.detached import copy_revision
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


def test_what_became_of_another_kind_is_copied_as_it_is(made: Made, tmp_path: Path) -> None:
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
    with chdir(root):
        copy = copy_revision(tmp_path / "copy", None)
        commit_of_head = copy_revision(tmp_path / "head", "HEAD")
    assert tree(copy) == tree(root)
    assert tree(commit_of_head) == before
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
