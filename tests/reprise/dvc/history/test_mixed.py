"""The files of git in a folder have the hashes that git has, or would have, of them."""

from contextlib import chdir
from pathlib import Path

import pytest

from reprise.dvc.history.mixed import hash_files
from reprise.dvc.history.reader import RevisionReader
from tests.reprise.corpus import Made
from tests.reprise.review.repository import commit

FILES = {
    "dvc.yaml": "stages: {}\n",
    ".gitattributes": "*.txt text eol=crlf\n*.up filter=up\n",
    "work/code.py": "code\n",
    "work/lines.txt": "a\r\nb\r\n",
    "work/filtered.up": "text\n",
    "work/deep/er/ä b\n": "c\n",
    "work/.gitignore": "/ignored\n/data\n",
    "work/ignored": "1\n",
    "work/data/a": "1\n",
}


@pytest.fixture
def made(tmp_path: Path, commands: str) -> Made:
    made = Made(tmp_path, {"files": FILES}, commands).create()
    made.run("git", "config", "filter.up.clean", "tr a-z A-Z")
    (made.root / "work/link").symlink_to("deep")
    return made


def inner_repository(made: Made) -> None:
    """Make a repository in the folder, as a submodule is one."""
    inner = made.root / "work/inner"
    inner.mkdir()
    made.run("git", "-C", inner, "init", "-q")
    (inner / "x").write_text("x\n")
    made.run("git", "-C", inner, "add", "x")
    made.run("git", "-C", inner, "commit", "-qm", "inner")


def listed(made: Made, folder: str = "work") -> dict[str, str]:
    """Return what git itself says of HEAD."""
    output = made.run("git", "ls-tree", "-r", "-z", "HEAD", "--", folder)
    entries = [entry.partition("\t") for entry in output.split("\0") if entry]
    return {name: described.split()[2] for described, _, name in entries}


def state(made: Made) -> list[bytes]:
    """Return git's index, and the names of its objects."""
    objects = sorted(str(path).encode() for path in (made.root / ".git/objects").rglob("*"))
    index = made.root / ".git/index"
    return [index.read_bytes() if index.exists() else b"", *objects]


def test_before_and_after_a_commit_they_are_alike(made: Made) -> None:
    """Line ends, filters, links, and what is forced in; nothing is added to git for it."""
    inner_repository(made)
    before = state(made)
    untracked = hash_files(made.root, None, "work")
    assert state(made) == before
    made.run("git", "add", "work")
    staged = hash_files(made.root, None, "work")
    commit(made, "all")
    expected = {name: value for name, value in listed(made).items() if ".gitignore" not in name}
    assert len(expected) == 6
    assert untracked == staged == expected
    assert hash_files(made.root, None, "work") == hash_files(made.root, "HEAD", "work") == expected
    with chdir(made.root / "work"):
        assert hash_files(made.root, None, "work") == expected


def test_what_was_edited_removed_or_replaced_is_as_it_would_be_committed(made: Made) -> None:
    commit(made, "all")
    first = hash_files(made.root, None, "work")
    made.edit({"work/code.py": "other\n", "work/lines.txt": "a\nb\n", "work/filtered.up": "TEXT\n"})
    made.edit({"work/deep/er/ä b\n": None, "work/new.up": "text\n"})
    (made.root / "work/link").unlink()
    (made.root / "work/link").mkdir()
    (made.root / "work/link/x").write_text("x\n")
    (made.root / "work/deep/er").rmdir()
    (made.root / "work/deep/er").symlink_to("../link")
    changed = hash_files(made.root, None, "work")
    for name in ("lines.txt", "filtered.up"):  # as git has them
        assert changed[f"work/{name}"] == first[f"work/{name}"]
    commit(made, "change")
    assert changed == {k: v for k, v in listed(made).items() if ".gitignore" not in k}


def test_files_that_are_ignored_but_were_forced_in_count(made: Made) -> None:
    commit(made, "all")
    made.run("git", "add", "--force", "work/ignored")
    assert "work/ignored" in hash_files(made.root, None, "work")
    commit(made, "forced")
    assert "work/ignored" in hash_files(made.root, "HEAD", "work")


def test_a_folder_of_data_alone_has_none(made: Made) -> None:
    commit(made, "all")
    assert hash_files(made.root, None, "work/data") == {}
    assert hash_files(made.root, None, "nowhere") == {}


def test_what_dvc_ignores_is_left_out(made: Made, tmp_path: Path) -> None:
    made.edit({".dvcignore": "*.py\ndeep/\n"})
    commit(made, "all")
    expected = {"work/lines.txt", "work/filtered.up", "work/link"}
    with chdir(made.root), RevisionReader(tmp_path / "temporary") as reader:
        for name in (None, "HEAD"):
            revision = reader.read("it", name and reader.commit(name))
            assert reader.git_hashes(revision, "work").keys() == expected
