"""The branch of a challenger: what is committed to it, and whose commits stay on it."""

from pathlib import Path

import pytest

from reprise.errors import PipelineError
from reprise.retrain.branch import Branch, add, commit
from reprise.retrain.clone import Clone
from tests.reprise.retrain.test_clone import git, origin

__all__ = ["origin"]  # a fixture


@pytest.fixture
def place(origin: Path, tmp_path: Path) -> Clone:
    made = Clone(str(origin), "main", tmp_path / "work")
    made.renew()
    return made


def made(place: Clone, text: str) -> str:
    """A commit of ours on top of the base."""
    (place.root / "dvc.lock").write_text(text)
    assert add(place, place.tip(), [place.root / "dvc.lock"])
    return commit(place, place.tip(), "retrain")


def test_only_what_git_is_to_keep_is_committed(place: Clone) -> None:
    (place.root / "stray.log").write_text("left by a stage\n")
    assert not add(place, place.tip(), [place.root / "dvc.lock", place.root / "plots"])
    (place.root / "plots").mkdir()
    (place.root / "plots" / "a b*.csv").write_text("x\n")
    (place.root / "dvc.lock").write_text("lock")
    assert add(place, place.tip(), [place.root / "dvc.lock", place.root / "plots"])
    found = commit(place, place.tip(), "retrain")
    assert place.git("ls-tree", "-r", "--name-only", found).splitlines() == [
        "dvc.lock",
        "plots/a b*.csv",
    ]


def test_what_git_ignores_stays_out(place: Clone) -> None:
    (place.root / ".gitignore").write_text("/metrics.json\n")
    (place.root / "metrics.json").write_text("{}")
    assert add(place, place.tip(), [place.root / ".gitignore", place.root / "metrics.json"])
    assert place.git("diff", "--cached", "--name-only") == ".gitignore"


def test_ours_of_an_older_base_is_replaced_and_is_adopted_on_its_own(place: Clone) -> None:
    branch = Branch(place, "retrain/1")
    assert branch.adopt(place.tip()) is None
    first = made(place, "one")
    assert branch.push(first, replace=True)
    assert branch.adopt(place.tip()) == first
    checkout = Path(place.address).parent / "checkout"
    git(checkout, "commit", "-q", "--allow-empty", "-m", "notes")
    git(checkout, "push", "-q", "origin", "main")
    place.renew()
    assert branch.adopt(place.tip()) is None
    second = made(place, "one")
    assert not branch.has(second)
    assert not branch.is_of_others
    assert branch.push(second, replace=True)
    place.renew()
    assert branch.has(second)


def test_commits_of_a_reviewer_stay(place: Clone) -> None:
    branch, first = Branch(place, "retrain/1"), made(place, "one")
    branch.push(first, replace=True)
    checkout = Path(place.address).parent / "checkout"
    git(checkout, "fetch", "-q")
    git(checkout, "checkout", "-q", "retrain/1")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "reviewed")
    git(checkout, "push", "-q", "origin", "retrain/1")
    # It came since the branch was fetched: the lease holds.
    assert not branch.push(made(place, "two"), replace=True)
    place.renew()
    assert branch.is_of_others
    assert branch.has(first)
    assert branch.adopt(place.tip()) == first


def test_a_refused_push_that_is_no_race_is_an_error(place: Clone) -> None:
    hook = Path(place.address) / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PipelineError, match=r"git push: .*protected"):
        Branch(place, "retrain/1").push(made(place, "one"), replace=True)


def test_whose_commits_they_are_is_not_taken_from_the_environment(
    place: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "someone@example.org")
    assert place.git("log", "-1", "--format=%ae", made(place, "one")) == "reprise@localhost"
