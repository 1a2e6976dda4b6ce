"""Brings results to their remotes: data and runs first, so that no commit names what is nowhere."""

from contextlib import chdir
from pathlib import Path

from reprise.dvc import Repository, dvc_boundary
from reprise.errors import PipelineError
from reprise.git import redacted
from reprise.retrain.branch import Branch
from reprise.retrain.checkout import Checkout
from reprise.retrain.options import Echo
from reprise.retrain.shell import run_command
from reprise.retrain.stages import all_stages


class BranchMoved(Exception):  # noqa: N818
    """Says that a branch got other commits meanwhile."""


def push_data(checkout: Checkout, echo: Echo) -> None:
    """Push the data, and the runs that made them. Raises PipelineError when DVC fails.

    Of a run, DVC leaves out what git keeps (`cache: false`), without which nobody restores it.
    """
    run_command(checkout, echo, "dvc", "push", "--run-cache")
    try:
        _push_uncached_outs(checkout.root, echo)
    except PipelineError as e:
        raise PipelineError(f"outs with cache: false: failed: {redacted(str(e))}") from None


def _push_uncached_outs(root: Path, echo: Echo) -> None:
    """Push the runs of stages, as they are now, that have an out with `cache: false`."""
    with (
        chdir(root),
        dvc_boundary(),
        Repository() as repository,
        repository.lock(lambda who: echo(f"waiting for {who} to release DVC's lock")),
    ):
        if repository.run_cache_problem is not None:
            return  # nor can DVC push runs there, which is no failure of its push
        for stage in all_stages(repository):
            if all(out.use_cache for out in stage.dvc.outs):
                continue
            run = stage.find_run()
            if run is not None:
                repository.workspace.run_cache.push(stage.dvc, run)


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
