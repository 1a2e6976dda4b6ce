"""Compares a stage's command, deps and outs with what dvc.lock says of them."""

from collections.abc import Iterator

from dvc.dependency import ParamsDependency
from dvc.output import Output
from dvc.stage import Stage as DVCStage

from reprise.dvc.changes import MISSING, Change, ChangeKind, param_changes
from reprise.dvc.run_cache import Assumed


def stage_changes(
    stage: DVCStage, name: str, old_command: object, assumed: Assumed
) -> Iterator[Change]:
    """Iterate over the reasons for which `dvc repro` would run the stage, as DVC orders them.

    old_command: that of dvc.lock; assumed: as in `Stage.changes`. Raises what DVC raises.
    """
    if stage.changed_stage():
        yield Change(ChangeKind.CMD, name, "changed", None, old_command, stage.cmd)
    if not stage.frozen:
        if stage.always_changed:
            yield Change(ChangeKind.ALWAYS, name, "always_changed")
        elif stage.is_callback:
            yield Change(ChangeKind.ALWAYS, name, "no deps or outs")
        for dep in stage.deps:
            yield from dep_changes(dep, assumed)
    for out in stage.outs:
        for where, what in out.status().items():
            yield Change(ChangeKind.OUT, where, what)


def dep_changes(dep: Output, assumed: Assumed) -> list[Change]:
    """List what of a dep differs from dvc.lock: at most one change, but for params files."""
    if dep.fs_path in assumed:
        expected = assumed[dep.fs_path]
        if expected in (None, dep.hash_info.value):
            return []
        return [Change(ChangeKind.DEP, str(dep))]
    status = dep.status()
    if isinstance(dep, ParamsDependency):
        return _params_changes(dep, status)
    return [Change(ChangeKind.DEP, where, what) for where, what in status.items()]


def _params_changes(dep: ParamsDependency, status: dict[str, object]) -> list[Change]:
    """List the changed values of a params file, or that the file itself is gone or new.

    status: what DVC tells of the dep; of values it has the changed keys alone.
    """
    changes: list[Change] = []
    for where, what in status.items():
        if isinstance(what, str):  # of the whole file, such as "deleted"
            changes.append(Change(ChangeKind.PARAM, where, what))
            continue
        assert isinstance(what, dict)
        old, new = dep.hash_info.value or {}, dep.read_params()
        assert isinstance(old, dict)
        for key in what:
            before, now = old.get(key, MISSING), new.get(key, MISSING)
            changes += param_changes(where, key, before, now)
    return changes
