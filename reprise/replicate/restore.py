"""Restores replicates from the run-cache, and starts no process for it."""

from contextlib import chdir
from pathlib import Path

from reprise.dvc import Repository, Stage, dvc_boundary
from reprise.replicate.plan import ReplicatedStage


def restore(copy: Path, stage: ReplicatedStage) -> bool:
    """Restore the stage, and all that follows it, in the copy; tell whether the run-cache had them.

    They are recorded in dvc.lock then. What the run-cache lacks is asked of the remote.
    """
    with (
        chdir(copy),
        dvc_boundary(),
        Repository() as repository,
        repository.lock(lambda _: None),
    ):
        chain = []
        for found in repository.collect_stages(stage.targets):
            if found.name in stage.chain:
                chain.append(found)
        for found in chain:
            if not _restore(found):
                return False
        repository.write_locks(chain)
    return True


def _restore(stage: Stage) -> bool:
    for pull in (False, True):
        if pull:
            stage.pull_inputs()
        known = stage.find_run(pull=pull)
        if known is not None:
            stage.restore(known, stage.take_inputs())
            return True
    return False
