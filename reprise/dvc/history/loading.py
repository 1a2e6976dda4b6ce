"""Loads stages of DVC into a Revision."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dvc.dvcfile import PROJECT_FILE
from dvc.output import Output
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage

from reprise.dvc.deps import data_deps, local_items, params_deps
from reprise.dvc.history.out_files import RecordedOut
from reprise.dvc.history.revision import Revision, StageRecord
from reprise.dvc.history.values import Values, flatten

Outs = Mapping[str, Output]  # by path, relative to the root


def add_stage(revision: Revision, stage: DVCStage, root: str) -> None:
    """Add what a stage tells to the revision that it was loaded from.

    root: of the DVC repository, absolute.
    """
    outs: dict[str, Output] = {}
    for out in local_items(stage.outs):
        outs[_relative(out.fs_path, root)] = out
    if revision.commit is None:
        _note_differing(revision, outs)
    record = _make_record(stage, outs, root)
    revision.records[record.name] = record
    file = _relative(stage.path, root)
    for path, out in outs.items():
        cache = out.cache if out.use_cache else None
        revision.outs[path] = RecordedOut(out.hash_info, cache, out)
        where = f"{file}: out '{path}' of stage '{record.name}'"
        revision.metas[path] = (where, out.annot.meta)


def _relative(path: str, root: str) -> str:
    """Return the path from the root, with slashes."""
    return Path(os.path.relpath(path, root)).as_posix()


def _note_differing(revision: Revision, outs: Outs) -> None:
    """Note the outs of the working tree that are not as recorded."""
    for path, out in outs.items():
        is_recorded = out.hash_info and out.use_cache  # else git has it
        if is_recorded and "modified" in out.workspace_status().values():
            revision.errors.append(f"{path} is not what DVC recorded; it was taken as it is")


def _make_record(stage: DVCStage, outs: Outs, root: str) -> StageRecord:
    """Copy what the stage tells, so that it outlives DVC's own objects."""
    name, group = _names(stage, root)
    return StageRecord(
        name=name,
        group=group,
        wdir=_relative(stage.wdir, root),
        source=not isinstance(stage, PipelineStage),
        command=_locked_command(stage),
        deps=_dep_hashes(stage, root),
        params=_params(stage, root),
        outs={path: out.hash_info.value for path, out in outs.items()},
        stale=[*_stale(stage)],
    )


def _names(stage: DVCStage, root: str) -> tuple[str, str]:
    """Return the stage's name from the root, and that of the stage it was made from."""
    file = _relative(stage.path, root)
    if not isinstance(stage, PipelineStage):
        return file, file
    prefix = "" if file == PROJECT_FILE else f"{file}:"
    name = f"{prefix}{stage.name}"
    template: Any = stage.raw_data.generated_from
    if not template:
        return name, name
    return name, f"{prefix}{template}"


def _locked_command(stage: DVCStage) -> str | None:
    if not isinstance(stage, PipelineStage):
        return None
    entry = stage.dvcfile.lockfile_contents.get("stages", {}).get(stage.name, {})
    command: str | None = entry.get("cmd")
    return command


def _dep_hashes(stage: DVCStage, root: str) -> dict[str, str | None]:
    """Return the hashes of local deps, params files apart."""
    hashes: dict[str, str | None] = {}
    for dep in local_items(data_deps(stage.deps)):
        path = _relative(dep.fs_path, root)
        hashes[path] = dep.hash_info.value
    return hashes


def _params(stage: DVCStage, root: str) -> Values:
    """Return the recorded values by params file."""
    params: Values = {}
    for dep in params_deps(stage.deps):
        path = _relative(dep.fs_path, root)
        values = dep.hash_info.value or {}
        params[path] = dict(flatten(values))
    return params


def _stale(stage: DVCStage) -> Iterator[str]:
    """Iterate over what the revision has otherwise than dvc.lock says.

    That is `command`, keys of params, and paths of deps. What it does not have at all may lie in
    the cache.
    """
    if not isinstance(stage, PipelineStage) or stage.frozen:
        return
    if stage.changed_stage():
        yield "command"
    for dep in stage.deps:
        yield from _stale_parts(dep.status())


def _stale_parts(status: Mapping[str, Any]) -> Iterator[str]:
    """Iterate over the changed keys of a params file, or the path of another dep that changed.

    status: what DVC tells of one dep.
    """
    for path, change in status.items():
        if isinstance(change, dict):
            yield from change
        elif change != "deleted":
            yield path
