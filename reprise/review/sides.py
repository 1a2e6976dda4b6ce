"""Finds the two revisions that a report compares, by what the user named."""

from dataclasses import dataclass

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import WORKTREE
from reprise.errors import PipelineError
from reprise.git import branch_without_commits, is_shallow, merge_base


@dataclass(frozen=True)
class Side:
    """Names a revision as its numbers are to be read. commit: None for the working tree."""

    name: str
    commit: str | None


def find_sides(reader: RevisionReader, old: str, new: str | None) -> tuple[Side | None, Side]:
    """Return the old and the new side.

    `A B` are these two; `A...B` is their merge base and B; `A` is the merge base of A and HEAD,
    and the working tree. Before the first commit, the old side of HEAD and of the branch is None.
    Raises PipelineError for what git does not know, and where there is no merge base.
    """
    if new is not None:
        return Side(old, reader.commit(old)), Side(new, reader.commit(new))
    first, dots, second = old.partition("...")
    if dots:
        tip = Side(second, reader.commit(second))
        return _merge_base(reader, first, tip), tip
    if not reader.has_commits and old in ("HEAD", "@", *branch_without_commits()):
        return None, Side(WORKTREE, None)
    reader.commit(old)  # what is wrong with it is said before what HEAD lacks
    head = Side("HEAD", reader.commit("HEAD"))
    return _merge_base(reader, old, head), Side(WORKTREE, None)


def _merge_base(reader: RevisionReader, old: str, tip: Side) -> Side:
    """Find where `old` and the tip parted. It has the name of `old` only where it is that."""
    old_commit = reader.commit(old)
    assert tip.commit is not None
    commit = merge_base(old_commit, tip.commit)
    if commit == old_commit:
        return Side(old, commit)
    if commit is not None:
        return Side(f"merge base of {old} and {tip.name}", commit)
    message = f"{old}: found no common ancestor with {tip.name}; expected one"
    if is_shallow():
        message += "; this clone is shallow: fetch more of the history"
    raise PipelineError(message)
