"""Brings results to their remotes: data and runs first, so that no commit names what is nowhere."""

from reprise.retrain.branch import Branch
from reprise.retrain.checkout import Checkout
from reprise.retrain.options import Echo
from reprise.retrain.shell import run_command


class BranchMoved(Exception):  # noqa: N818
    """Says that a branch got other commits meanwhile."""


def push_data(checkout: Checkout, echo: Echo) -> None:
    """Push the data, and the runs that made them. Raises PipelineError when DVC fails."""
    run_command(checkout, echo, "dvc", "push", "--run-cache")


def push_commit(branch: Branch, commit: str, echo: Echo, *, replace: bool) -> None:
    """Push the commit, once its data are pushed. Each may be repeated after a kill.

    replace: what the branch has is ours, of an older base. Raises BranchMoved when the branch is
    no longer as it was fetched, PipelineError when the remote refuses for another reason.
    """
    if branch.has(commit):
        echo(f"{branch.name} has {commit[:12]} already")
        return
    if not branch.push(commit, replace=replace):
        echo(f"{branch.name} moved meanwhile")
        raise BranchMoved
    echo(f"pushed {commit[:12]} to {branch.name}")
