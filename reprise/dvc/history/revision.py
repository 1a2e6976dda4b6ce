"""What DVC knows of a commit or of the working tree, as data."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.dvcfile import PROJECT_FILE
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage

from reprise.dvc.history.out_files import Out
from reprise.dvc.history.values import Values, flat

WORKTREE = "the working tree"


@dataclass(frozen=True)
class StageRecord:
    """A stage as dvc.lock, or a .dvc file, tells it. Paths are relative to the root.

    group: the foreach or matrix stage it was made from, or its own name; stale: what has changed since it ran;
    source: data of a .dvc file, which nothing makes.
    """

    name: str
    group: str
    wdir: str
    source: bool
    command: str | None
    deps: dict[str, str | None]
    params: Values
    outs: dict[str, str | None]
    stale: list[str]


@dataclass
class Revision:
    """name: as it was asked for; commit: None for the working tree; metas: `meta` of outs by path."""

    name: str
    commit: str | None
    records: dict[str, StageRecord] = field(default_factory=dict)
    metrics: Values = field(default_factory=dict)
    params: Values = field(default_factory=dict)
    metas: dict[str, tuple[str, Any]] = field(
        default_factory=dict
    )  # path: where it is declared, and what
    outs: dict[str, Out] = field(default_factory=dict, repr=False)
    errors: list[str] = field(
        default_factory=list
    )  # what could not be read, and what is not as recorded

    def hash_of(self, path: str) -> str | None:
        return self.outs[path].hash.value if path in self.outs else None


def add(made: Revision, stage: DVCStage, root: str) -> None:
    """Adds what a stage tells to the revision it was loaded from. root: of the DVC repository, absolute."""

    def at(path: str) -> str:
        return Path(os.path.relpath(path, root)).as_posix()

    params = {
        at(d.fs_path): dict(flat(d.hash_info.value or {}))
        for d in stage.deps
        if isinstance(d, ParamsDependency)
    }
    deps = {
        at(d.fs_path): d.hash_info.value
        for d in stage.deps
        if not isinstance(d, ParamsDependency) and d.protocol == "local"
    }
    outs = {at(o.fs_path): o for o in stage.outs if o.protocol == "local"}
    if made.commit is None:
        other = (
            p
            for p, o in outs.items()
            if o.hash_info and o.use_cache and o.exists and o.changed_checksum()
        )
        made.errors += [f"{path} is not what DVC recorded; it was taken as it is" for path in other]
    pipeline = isinstance(stage, PipelineStage)
    file = at(stage.path)
    prefix = "" if file == PROJECT_FILE else f"{file}:"
    name = f"{prefix}{stage.name}" if pipeline else file
    locked = (
        stage.dvcfile.lockfile_contents.get("stages", {}).get(stage.name, {}) if pipeline else {}
    )
    made.records[name] = StageRecord(
        name=name,
        group=f"{prefix}{stage.raw_data.generated_from}"
        if pipeline and stage.raw_data.generated_from
        else name,
        wdir=at(stage.wdir),
        source=not pipeline,
        command=locked.get("cmd"),
        deps=deps,
        params=params,
        outs={path: out.hash_info.value for path, out in outs.items()},
        stale=[*_stale(stage)] if pipeline else [],
    )
    for path, out in outs.items():
        made.outs[path] = Out(out.hash_info, out.cache if out.use_cache else None, out)
        made.metas[path] = (f"{file}: out '{path}' of stage '{name}'", out.annot.meta)


def _stale(stage: DVCStage) -> Iterator[str]:
    """What the revision has otherwise than dvc.lock says; what it hasn't at all may lie in the cache."""
    if stage.frozen:
        return
    if stage.changed_stage():
        yield "command"
    for dep in stage.deps:
        for what, how in dep.status().items():
            if isinstance(how, dict):
                yield from how  # params keys
            elif how != "deleted":
                yield what
