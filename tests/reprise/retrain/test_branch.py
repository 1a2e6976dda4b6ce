"""The branch of a challenger: what is committed to it, and whose commits stay on it."""

from pathlib import Path

import pytest

from reprise.errors import PipelineError
from reprise.retrain.branch import Branch, commit_tree, tree_of, write_results
from reprise.retrain.clone import Clone
from tests.reprise.retrain.test_clone import git, origin

__all__ = ["origin"]  # a fixture


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Clone:
    result = Clone(str(origin), "main", tmp_path / "work")
    result.renew()
    return result


def commit_lock(clone: Clone, text: str) -> str:
    """A commit of ours on top of the base."""
    (clone.root / "dvc.lock").write_text(text)
    return commit_results(clone, "dvc.lock")


def commit_results(clone: Clone, *names: str) -> str:
    tree = write_results(clone, clone.tip(), [clone.root / name for name in names])
    assert tree is not None
    return commit_tree(clone, clone.tip(), tree, "retrain")


def test_only_what_git_is_to_keep_is_committed(clone: Clone) -> None:
    (clone.root / "stray.log").write_text("left by a stage\n")
    paths = [clone.root / "dvc.lock", clone.root / "plots"]
    assert write_results(clone, clone.tip(), paths) is None
    (clone.root / "plots").mkdir()
    (clone.root / "plots" / "a b*.csv").write_text("x\n")
    (clone.root / "dvc.lock").write_text("lock")
    commit = commit_results(clone, "dvc.lock", "plots")
    assert clone.git("ls-tree", "-r", "--name-only", commit).splitlines() == [
        "dvc.lock",
        "plots/a b*.csv",
    ]


def test_what_git_ignores_stays_out(clone: Clone) -> None:
    (clone.root / ".gitignore").write_text("/metrics.json\n")
    (clone.root / "metrics.json").write_text("{}")
    commit = commit_results(clone, ".gitignore", "metrics.json")
    assert clone.git("diff", "--name-only", clone.tip(), commit) == ".gitignore"


def test_a_change_of_the_index_or_of_another_file_stays_out(clone: Clone) -> None:
    """Nor does a commit change either."""
    for name in ("train.py", "dvc.lock"):
        (clone.root / name).write_text("first")
    tip = commit_results(clone, "train.py", "dvc.lock")
    clone.git("update-ref", "refs/remotes/origin/main", tip)
    clone.git("reset", "--quiet", "--hard", tip)
    (clone.root / "train.py").write_text("a stage wrote it")
    (clone.root / "new.py").write_text("")
    clone.git("add", "new.py")
    (clone.root / "dvc.lock").unlink()
    status = clone.git("status", "--porcelain")
    commit = commit_results(clone, "dvc.lock", "metrics.json")
    assert clone.git("diff", "--name-status", tip, commit) == "D\tdvc.lock"
    assert tree_of(clone, commit) != tree_of(clone, tip)
    assert clone.git("status", "--porcelain") == status


def test_ours_of_an_older_base_is_replaced_and_is_adopted_on_its_own(clone: Clone) -> None:
    branch = Branch(clone, "retrain/1")
    assert branch.adopt(clone.tip()) is None
    first = commit_lock(clone, "one")
    assert branch.push(first, replace=True)
    assert branch.adopt(clone.tip()) == first
    checkout = Path(clone.address).parent / "checkout"
    git(checkout, "commit", "-q", "--allow-empty", "-m", "notes")
    git(checkout, "push", "-q", "origin", "main")
    clone.renew()
    assert branch.adopt(clone.tip()) is None
    second = commit_lock(clone, "one")
    assert not branch.has(second)
    assert not branch.is_of_others
    assert branch.push(second, replace=True)
    clone.renew()
    assert branch.has(second)


def test_commits_of_a_reviewer_stay(clone: Clone) -> None:
    branch, first = Branch(clone, "retrain/1"), commit_lock(clone, "one")
    branch.push(first, replace=True)
    checkout = Path(clone.address).parent / "checkout"
    git(checkout, "fetch", "-q")
    git(checkout, "checkout", "-q", "retrain/1")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "reviewed")
    git(checkout, "push", "-q", "origin", "retrain/1")
    # It came since the branch was fetched: the lease holds.
    assert not branch.push(commit_lock(clone, "two"), replace=True)
    clone.renew()
    assert branch.is_of_others
    assert branch.has(first)
    assert branch.adopt(clone.tip()) == first


def test_a_refused_push_that_is_no_race_is_an_error(clone: Clone) -> None:
    hook = Path(clone.address) / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PipelineError, match=r"git push: .*protected"):
        Branch(clone, "retrain/1").push(commit_lock(clone, "one"), replace=True)


def test_whose_commits_they_are_is_not_taken_from_the_environment(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "someone@example.org")
    assert clone.git("log", "-1", "--format=%ae", commit_lock(clone, "one")) == "reprise@localhost"
