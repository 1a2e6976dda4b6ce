"""Which champions of before hold a challenger: those of persons too, and no reverted ones."""

import subprocess
from pathlib import Path

import pytest

from reprise.errors import PipelineError
from reprise.retrain.anchor import find_champions
from reprise.retrain.clone import Clone


class History:
    """A repository of commits with a dvc.lock, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.root.mkdir()
        self.folder = folder / "work"
        self.names: dict[str, str] = {}
        self.git("init", "-q", "--initial-branch", "main")
        self.git("config", "user.name", "a")
        self.git("config", "user.email", "a@example.org")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()

    def add(self, name: str, lock: str | None, message: str = "by hand") -> str:
        """Commit a lock, or with None something else."""
        (self.root / "sub").mkdir(exist_ok=True)
        (self.root / "other.txt").write_text(name)
        if lock is not None:
            (self.root / "sub" / "dvc.lock").write_text(lock)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.name(name)

    def name(self, name: str) -> str:
        commit = self.git("rev-parse", "HEAD")
        self.names[commit] = name
        return commit

    def champions(self) -> list[str]:
        self.git("branch", "-f", "published")
        bare = self.root.parent / "origin.git"
        self.git("clone", "-q", "--bare", "--no-local", ".", str(bare))
        clone = Clone(str(bare), "published", self.folder)
        return [self.names[commit] for commit in find_champions(clone, clone.renew())]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_champions_of_persons_hold_back_to_the_last_retraining(history: History) -> None:
    history.add("older", "0")
    history.add("retrained", "1", "retrain: accuracy 0.8 -> 0.9")
    history.add("better", "2")
    history.add("words", None)
    history.add("last", "3")
    assert history.champions() == ["better", "retrained"]


def test_the_best_one_itself_has_none_before(history: History) -> None:
    history.add("older", "0")
    history.add("retrained", "1", "retrain: accuracy 0.8 -> 0.9")
    history.add("words", None)
    assert history.champions() == []


def test_a_trailer_names_the_best_one(history: History) -> None:
    best = history.add("best", "0")
    message = f"retrain: accuracy 0.9 -> 0.89\n\nwhy\n\nReprise-Anchor: {best}"
    history.add("second", "1", message)
    assert history.champions() == ["best"]


def test_a_trailer_of_a_person_begins_anew(history: History) -> None:
    history.add("best", "0", "retrain: accuracy 0.8 -> 0.9")
    new = history.add("other columns", "1")
    history.add("from here", None, f"anchor\n\nReprise-Anchor: {new}")
    assert history.champions() == []


def test_a_trailer_of_no_commit_is_named(history: History) -> None:
    commit = history.add("a", "0", f"retrain: x\n\nReprise-Anchor: {'f' * 40}")
    with pytest.raises(PipelineError) as raised:
        history.champions()
    expected = f"Reprise-Anchor of {commit[:12]}: found '{'f' * 40}'; expected a commit that"
    assert str(raised.value).startswith(expected)


@pytest.mark.parametrize("between", [False, True])
def test_a_reverted_promotion_does_not_hold(history: History, between: bool) -> None:
    history.add("old", "0", "retrain: accuracy 0.8 -> 0.9")
    history.add("champion", "1")
    promoted = history.add("promoted", "2", "retrain: accuracy 0.9 -> 0.99")
    if between:  # the lock after the revert is another than before
        history.add("other stage", "3")
        history.add("revert", "4", f"Revert\n\nThis reverts commit {promoted}.")
        assert history.champions() == ["other stage", "champion", "old"]
    else:
        history.git("revert", "--no-edit", promoted)
        assert history.champions() == ["old"]


def test_a_revert_that_was_reverted_does_not_count(history: History) -> None:
    history.add("old", "0", "retrain: accuracy 0.8 -> 0.9")
    promoted = history.add("promoted", "1", "retrain: accuracy 0.9 -> 0.99")
    history.git("revert", "--no-edit", promoted)
    history.git("revert", "--no-edit", "HEAD")
    history.add("last", "2")
    history.names[history.git("rev-parse", "HEAD~1")] = "promoted"
    assert history.champions() == ["promoted"]


def test_a_merged_retraining_is_known_by_its_lock(history: History) -> None:
    history.add("old", "0")
    history.git("checkout", "-qb", "retrain/1")
    history.add("promoted", "1", "retrain: accuracy 0.8 -> 0.9")
    history.git("checkout", "-q", "main")
    history.add("words", None)
    history.git("merge", "-q", "--no-ff", "-X", "theirs", "-m", "Merge #1", "retrain/1")
    history.add("last", "2")
    assert history.champions() == ["promoted"]


def test_without_a_retraining_all_champions_hold(history: History) -> None:
    for number in range(4):
        history.add(f"c{number}", str(number))
    assert history.champions() == ["c2", "c1", "c0"]
