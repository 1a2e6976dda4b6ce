"""Publishes what a run of stages made in the checkout that it ran in, as retraining does.

A worker without a checkout of its own clones the repository for each run, and throws the clone away
afterwards: what is not published is lost.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from reprise.dvc import Repository, Stage
from reprise.errors import PipelineError
from reprise.forge.git_credentials import split_login
from reprise.git import check_address
from reprise.retrain.branch import Branch, commit_tree, write_results
from reprise.retrain.checkout import Checkout
from reprise.retrain.choices import PublishMode
from reprise.retrain.data import check_remote
from reprise.retrain.environment import unattended_environment
from reprise.retrain.fingerprint import digest_of_inputs
from reprise.retrain.options import Echo
from reprise.retrain.push import BranchMoved, push_commit, push_data
from reprise.retrain.sources import find_untracked
from reprise.retrain.stages import all_stages, load_stages
from reprise.shorten import shorten
from reprise.state.folders import StateFolders

# Types of work pools that start a container for each run; such as `ecs:push` too.
CONTAINERS = (
    "azure-container-instance",
    "cloud-run",
    "cloud-run-v2",
    "docker",
    "ecs",
    "kubernetes",
    "vertex-ai",
)
STEPS_OF_A_COPY = ("git_clone", "pull_")  # of `pull`: Prefect gets the code for this run alone
MOST_NAMES = 5  # in a message
WHERE = {
    PublishMode.BRANCH: "a branch of its own is pushed",
    PublishMode.PUSH: "the branch that is checked out is pushed",
    PublishMode.NONE: "nothing is pushed",
}


def open_publication(publish: str, echo: Echo, *, commit: bool) -> "Publication | None":
    """Prepare to publish what a run makes in the current folder; None for `publish: none`.

    commit: the run puts outs into the cache.
    Raises PipelineError when the results would be lost, or can't be published.
    """
    mode = PublishMode(publish)
    echo(f"publish: {mode}: {WHERE[mode]}")
    if mode is PublishMode.NONE:
        _check_results_last()
        return None
    if not commit:
        raise PipelineError(f"publish: found {mode} with commit: false; expected commit: true")
    return Publication(mode, echo)


def _check_results_last() -> None:
    """Raise PipelineError when this flow run works in a folder that is thrown away afterwards.

    So it is with a clone, and with the code in a container's image.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.deployment_id is None:
        return
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment(context.flow_run.deployment_id)
        pool = context.flow_run.work_pool_name or deployment.work_pool_name
        kind = "process" if pool is None else client.read_work_pool(pool).type
    for step in deployment.pull_steps or []:
        for name in step:
            if name.rpartition(".")[2].startswith(STEPS_OF_A_COPY):
                raise PipelineError(
                    f"publish: found none in a deployment with the step {name}, whose folder is"
                    " thrown away after the run; expected branch or push, which keep the results"
                )
    if kind.partition(":")[0] in CONTAINERS and not _is_on_volume(Path.cwd()):
        raise PipelineError(
            f"publish: found none in a work pool of type {kind}, whose container is thrown away"
            " after the run; expected branch or push, which keep the results, or the project on a"
            " volume"
        )


def _is_on_volume(folder: Path) -> bool:
    """Tell whether a folder is on another file system than the root."""
    return any(path.is_mount() for path in (folder, *folder.parents) if path.parent != path)


class Publication:
    """Pushes the results of a run to the remotes of the checkout in which it ran."""

    def __init__(self, mode: PublishMode, echo: Echo) -> None:
        """Check all that can be known before the stages run, in the current folder.

        mode: BRANCH for a branch of its own, or PUSH for the one that is checked out.
        Raises PipelineError with what stands in the way of it.
        """
        assert mode in (PublishMode.BRANCH, PublishMode.PUSH)
        self._echo = echo
        self._is_own_branch = mode is PublishMode.BRANCH
        root, stages = _load_stages()
        with unattended_environment():
            self._checkout = _open_checkout(root)
            check_remote(self._checkout)
            self._tip = self._checkout.git("rev-parse", "--verify", "HEAD")
            self._check_sources(stages)
            if mode is PublishMode.PUSH:
                self._branch = self._current_branch()

    def _check_sources(self, stages: Sequence[Stage]) -> None:
        """Check that what the stages read is in the commit that the results will name."""
        results = _kept_by_git(stages)
        inside = self._checkout.git("rev-parse", "--show-prefix")  # the root, in git's repository
        expected = {
            PurePosixPath(inside, path.relative_to(self._checkout.root)) for path in results
        }
        listing = self._checkout.git("diff", "--name-only", "-z", "--no-relative", self._tip)
        others = []
        for name in filter(None, listing.split("\0")):
            path = PurePosixPath(name)
            if expected.isdisjoint({path, *path.parents}):
                others.append(name)
        if others:
            raise PipelineError(
                f"publish: found uncommitted changes ({shorten(others, MOST_NAMES)});"
                " expected them in a commit, which the results are of"
            )
        untracked = find_untracked(self._checkout, stages)
        if untracked:
            names = []
            for file in untracked:
                names.append(os.path.relpath(file, self._checkout.root))
            raise PipelineError(
                f"publish: found files that stages read and git does not have"
                f" ({shorten(names, MOST_NAMES)}); expected them in a commit, which the results"
                " are of"
            )

    def _check_unmoved(self, stages: Sequence[Stage]) -> None:
        """Check that the results still are of the commit that was checked out when they began."""
        now = self._checkout.git("rev-parse", "--verify", "HEAD")
        if now != self._tip:
            raise PipelineError(
                f"publish: found {now[:12]} checked out meanwhile; expected {self._tip[:12]}, of"
                " which the results are: run once more, which restores what was made"
            )
        self._check_sources(stages)

    def _current_branch(self) -> Branch:
        """Find the branch that is checked out, which the remote must have as it is here."""
        try:
            name = self._checkout.git("symbolic-ref", "--short", "--quiet", "HEAD")
        except PipelineError:
            raise PipelineError(
                "publish: push: found no branch that is checked out; expected one, or"
                " publish: branch"
            ) from None
        branch = self._fetch(name)
        if branch.tip != self._tip:
            raise PipelineError(
                f"publish: push: found {name} at {branch.tip[:12] or 'no commit'} at the remote;"
                f" expected {self._tip[:12]}, which is checked out"
            )
        return branch

    def _fetch(self, name: str) -> Branch:
        """Fetch a branch of the remote, should there be one."""
        ref, fetched = f"refs/heads/{name}", f"refs/remotes/origin/{name}"
        if self._checkout.git("ls-remote", "origin", ref):
            self._checkout.git("fetch", "--quiet", "--no-tags", "origin", f"+{ref}:{fetched}")
        else:
            self._checkout.git("update-ref", "-d", fetched)
        return Branch(self._checkout, name)

    def finish(self, changed: Sequence[str], *, failed: bool) -> None:
        """Push data, then commit and push what DVC leaves to git.

        changed: the names of the stages that ran or were restored. failed: some stage did; then
        data and runs alone are pushed, and the next run restores what finished.
        Raises PipelineError when the branch got other commits meanwhile, or a remote refuses.
        """
        with unattended_environment():
            if not failed:
                self._publish(changed)
                return
            try:
                push_data(self._checkout, self._echo)
            except PipelineError as error:  # the stage's own failure is what to tell
                self._echo(str(error))

    def _publish(self, changed: Sequence[str]) -> None:
        stages = load_stages(self._checkout.root)
        self._check_unmoved(stages)
        push_data(self._checkout, self._echo)
        tree = write_results(self._checkout, self._tip, _kept_by_git(stages))
        if tree is None:
            self._echo("nothing to publish: the same outs as the commit's")
            return
        commit = commit_tree(self._checkout, self._tip, tree, _message(changed))
        if self._is_own_branch:
            self._push_own(self._fetch(f"repro/{digest_of_inputs(stages)[:12]}"), commit)
        else:
            self._push(self._branch, commit, replace=False)
            self._move_to(commit)

    def _push_own(self, branch: Branch, commit: str) -> None:
        if branch.is_of_others and not branch.has(commit):
            raise PipelineError(
                f"publish: {branch.name} has commits of others, and stays as it is; expected it to"
                " be merged or deleted: run once more then, which restores what was made"
            )
        self._push(branch, commit, replace=True)

    def _move_to(self, commit: str) -> None:
        """Move the branch that is checked out to the commit, and the results in the index to it.

        It stays where it is if it was moved meanwhile; what else the index has stays in any case.
        """
        git = self._checkout.git
        listing = git("diff", "--name-only", "-z", "--relative", self._tip, commit)
        git("update-ref", f"refs/heads/{self._branch.name}", commit, self._tip)
        names = [*filter(None, listing.split("\0"))]
        git("--literal-pathspecs", "reset", "--quiet", commit, "--", *names)

    def _push(self, branch: Branch, commit: str, *, replace: bool) -> None:
        try:
            push_commit(branch, commit, self._echo, replace=replace)
        except BranchMoved:
            raise PipelineError(
                f"publish: {branch.name} got other commits meanwhile; expected it to rest:"
                " run once more, which restores what was made"
            ) from None


def _open_checkout(root: Path) -> Checkout:
    note = StateFolders.in_repository(root).groups / f"{os.getpid()}-publish"
    bare = Checkout(root, "", split_login("")[1], note)
    if "origin" not in bare.git("remote").split():
        raise PipelineError("publish: found no git remote 'origin'; expected one to push to")
    address, login = split_login(check_address(bare.git("remote", "get-url", "origin")))
    return Checkout(root, address, login, note)


def _load_stages() -> tuple[Path, list[Stage]]:
    """Return the root of the repository around the current folder, and the stages of all of it."""
    with Repository() as repository:
        return Path(repository.workspace.root), all_stages(repository)


def _kept_by_git(stages: Iterable[Stage]) -> list[Path]:
    paths: list[Path] = []
    for stage in stages:
        paths.extend(stage.kept_by_git)
    return paths


def _message(changed: Sequence[str]) -> str:
    return f"repro: {shorten(changed, MOST_NAMES)}"
