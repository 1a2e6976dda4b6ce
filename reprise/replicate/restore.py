"""Takes replicates from the run-cache, and starts no process for it."""

from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

from reprise.dvc import Repository, Stage, dvc_boundary
from reprise.dvc.deps import data_deps, local_items
from reprise.dvc.history.mixed import hash_with_missing
from reprise.dvc.run_cache import CachedRun
from reprise.errors import PipelineError
from reprise.git import redacted
from reprise.replicate.plan import ReplicatedStage


class PushError(PipelineError):
    """Raised where a replicate is known, and the remote did not take it."""


def restore(copy: Path, stage: ReplicatedStage, *, pull: bool, push: bool) -> bool:
    """Put outs of the stage, and of all that follows it, into the copy; tell whether all are known.

    Tracked data that is not there counts by its recorded hash and is not pulled. pull: what the
    run-cache lacks is asked of the remote; push: the runs go to the default remote, and outs to
    theirs. Raises PipelineError where nobody can tell, and PushError.
    """
    with (
        chdir(copy),
        dvc_boundary(),
        Repository() as repository,
        repository.lock(lambda _: None),
    ):
        workspace = repository.workspace
        runs: list[tuple[Stage, CachedRun]] = []
        for found in repository.collect_stages(stage.targets):
            if found.name not in stage.chain:
                continue
            run = _find(found, workspace.recorded, pull=pull)
            if run is None:
                return False
            found.put_outs(run)
            runs.append((found, run))
        if push:
            for found, run in runs:
                _push(found, run)
    return True


def _push(stage: Stage, run: CachedRun) -> None:
    try:
        with dvc_boundary():
            stage.workspace.run_cache.push(stage.dvc, run)
    except PipelineError as e:
        raise PushError(f"stage '{stage.name}' was not pushed: {redacted(str(e))}") from None


def _find(stage: Stage, recorded: Mapping[str, str], *, pull: bool) -> CachedRun | None:
    """Find the stage's run by the inputs that are there, and by the recorded hashes of others."""
    assumed = {}
    for dep in local_items(data_deps(stage.dvc.deps)):
        missing = stage.workspace.missing_in(dep.fs_path)
        if missing:
            assumed[dep.fs_path] = hash_with_missing(dep, missing)
        elif not dep.exists:
            assumed[dep.fs_path] = recorded.get(dep.fs_path)
    if None in assumed.values():  # such as a file of a tracked folder
        if not pull:
            return None
        stage.pull_inputs()
        assumed = {}
    run = stage.find_run(assumed)
    if run is None and pull:
        return stage.find_run(assumed, pull=True)
    return run
