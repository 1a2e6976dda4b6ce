"""Finds out what a project is called, and who made a commit of it, by git and its origin."""

from pathlib import Path

from reprise.dvc.history.revision import Revision
from reprise.errors import PipelineError
from reprise.forge.registry import commit_page, project_of_address
from reprise.git import git
from reprise.review.report import Commit, RevisionLabel


def project_name() -> str | None:
    """Name the project as its origin does, or else by its folder; None outside of git."""
    folder = Path(_said("rev-parse", "--show-toplevel")).name
    return project_of_address(_origin()) or folder or None


def label_revision(revision: Revision) -> RevisionLabel:
    """Name a revision, with the commit that it is, or that the working tree stands on."""
    return RevisionLabel(revision.name, revision.commit, _read_commit(revision.commit or "HEAD"))


def _read_commit(name: str) -> Commit | None:
    """Read a commit; None where git has none."""
    shown = _said("show", "--no-patch", "--format=%H%x00%an%x00%as", name, "--")
    if not shown:
        return None
    commit, author, day = shown.split("\0")
    return Commit(commit, author, day, commit_page(_origin(), commit))


def _origin() -> str:
    return _said("config", "--get", "remote.origin.url")


def _said(*arguments: str) -> str:
    """Return what git prints about the repository around the current folder; empty if it fails."""
    try:
        return git(*arguments)
    except PipelineError:
        return ""
