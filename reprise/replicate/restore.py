"""Takes replicates from the run-cache, and starts no process for it."""

from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

from reprise.dvc import Repository, Stage, dvc_boundary
from reprise.dvc.deps import data_deps, local_items
from reprise.dvc.history.mixed import hash_with_missing
from reprise.dvc.run_cache import CachedRun
from reprise.replicate.plan import ReplicatedStage


def restore(copy: Path, stage: ReplicatedStage, *, push: bool) -> bool:
    """Put outs of the stage, and of all that follows it, into the copy; tell whether all are known.

    What the run-cache lacks is asked of the remote. Tracked data that is not there counts by its
    recorded hash and is not pulled. push: the outs, and the run-cache, go to the default remote.
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
            run = _find(found, workspace.recorded)
            if run is None:
                return False
            found.put_outs(run)
            runs.append((found, run))
        if push:
            for found, run in runs:
                workspace.run_cache.push(found.dvc, run)
    return True


def _find(stage: Stage, recorded: Mapping[str, str]) -> CachedRun | None:
    """Find the stage's run by the inputs that are there, and by the recorded hashes of others."""
    assumed = {}
    for dep in local_items(data_deps(stage.dvc.deps)):
        missing = stage.workspace.missing_in(dep.fs_path)
        if missing:
            assumed[dep.fs_path] = hash_with_missing(dep, missing)
        elif not dep.exists:
            assumed[dep.fs_path] = recorded.get(dep.fs_path)
    if None in assumed.values():  # such as a file of a tracked folder
        stage.pull_inputs()
        assumed = {}
    return stage.find_run(assumed) or stage.find_run(assumed, pull=True)
