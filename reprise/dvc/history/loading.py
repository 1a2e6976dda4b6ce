"""Loads stages of DVC into a Revision."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dvc.dvcfile import PROJECT_FILE
from dvc.output import Output
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage

from reprise.dvc.deps import data_deps, local_items, missing_inside, params_deps
from reprise.dvc.history.mixed import hash_with_missing
from reprise.dvc.history.out_files import record_out
from reprise.dvc.history.revision import Revision, StageRecord
from reprise.dvc.history.values import Values, flatten
from reprise.dvc.lock_file import Entry, entry_hash

Outs = Mapping[str, Output]  # by path, relative to the root


class StageLoader:
    """Loads stages into a revision, as plain values: DVC's objects end with the switch to it."""

    def __init__(self, revision: Revision, root: str, worktree: Path) -> None:
        """Load into the revision.

        root: of the DVC repository, absolute, as DVC's file system has it: a commit's begins with
        the root of git; worktree: the root of the working tree, whatever revision is loaded.
        """
        self._revision = revision
        self._root = root
        self._worktree = worktree

    def add(self, stage: DVCStage) -> None:
        """Add what a stage tells."""
        revision = self._revision
        outs: dict[str, Output] = {}
        for out in local_items(stage.outs):
            outs[self._name(out)] = out
        if revision.commit is None:
            _note_modified(revision, outs)
        record = self._make_record(stage, outs)
        revision.records[record.name] = record
        file = self._relative(stage.path)
        for path, out in outs.items():
            revision.outs[path] = record_out(out)
            where = f"{file}: out '{path}' of stage '{record.name}'"
            revision.metas[path] = (where, out.annot.meta)

    def _relative(self, path: str) -> str:
        return _from_root(path, self._root)

    def _name(self, item: Output) -> str:
        """Name a dep or out by its path from the root, in every revision alike.

        It is made of what was declared: a commit's file system has nothing above the root of git,
        where `../feed.csv` would be `feed.csv`.
        """
        folder = self._worktree / self._relative(item.stage.wdir)
        return Path(os.path.relpath(folder / item.def_path, self._worktree)).as_posix()

    def _make_record(self, stage: DVCStage, outs: Outs) -> StageRecord:
        name, group = stage_names(stage, self._root)
        entry = _locked_entry(stage)
        return StageRecord(
            name=name,
            group=group,
            wdir=self._relative(stage.wdir),
            source=not isinstance(stage, PipelineStage),
            command=one_command(entry["cmd"]) if "cmd" in entry else None,
            deps=self._dep_hashes(stage),
            params=self._params(stage),
            outs={path: out.hash_info.value for path, out in outs.items()},
            stale=[*self._stale(stage)],
            meta=stage.meta,
            entry=entry_hash(entry),
            frozen=bool(stage.frozen),
        )

    def _dep_hashes(self, stage: DVCStage) -> dict[str, str | None]:
        """Return the hashes of local deps, params files apart."""
        deps = local_items(data_deps(stage.deps))
        return {self._name(dep): dep.hash_info.value for dep in deps}

    def _params(self, stage: DVCStage) -> Values:
        """Return the recorded values by params file."""
        params: Values = {}
        for dep in params_deps(stage.deps):
            values = dep.hash_info.value or {}
            params[self._name(dep)] = dict(flatten(values))
        return params

    def _stale(self, stage: DVCStage) -> Iterator[str]:
        """Iterate over what the revision has otherwise than dvc.lock says.

        That is `command`, keys of params, and paths of deps. What it does not have at all may lie
        in the cache.
        """
        if not isinstance(stage, PipelineStage) or stage.frozen:
            return
        if stage.changed_stage():
            yield "command"
        for dep in stage.deps:
            for change in dep.status().values():
                if isinstance(change, dict):  # of a params file, by key
                    yield from change
                elif change != "deleted" and not _is_as_recorded(dep):
                    yield self._name(dep)


def _from_root(path: str, root: str) -> str:
    """Return the path from the root, with slashes."""
    return Path(os.path.relpath(path, root)).as_posix()


def stage_names(stage: DVCStage, root: str) -> tuple[str, str]:
    """Return the stage's name from the root, and that of the stage it was made from."""
    file = _from_root(stage.path, root)
    if not isinstance(stage, PipelineStage):
        return file, file
    prefix = ""
    if file != PROJECT_FILE:
        prefix = f"{file}:"
    name = f"{prefix}{stage.name}"
    template: Any = stage.raw_data.generated_from
    if not template:
        return name, name
    return name, f"{prefix}{template}"


def _is_as_recorded(dep: Output) -> bool:
    """Tell whether a folder differs only by outs in it that are missing, as far as is known."""
    missing = missing_inside(dep.fs_path, local_items(dep.repo.index.outs))
    if not missing:
        return False
    return hash_with_missing(dep, missing) in (None, dep.hash_info.value)


def _note_modified(revision: Revision, outs: Outs) -> None:
    """Note the outs of the working tree that are not as recorded."""
    for path, out in outs.items():
        if out.hash_info and "modified" in out.workspace_status().values():
            is_cached = out.use_cache and out.cache.exists(out.get_hash().value)
            revision.modified[path] = bool(is_cached)


def _locked_entry(stage: DVCStage) -> Entry:
    """Return what dvc.lock says of the stage; empty if it says nothing."""
    if not isinstance(stage, PipelineStage):
        return {}
    entry: Entry = stage.dvcfile.lockfile_contents.get("stages", {}).get(stage.name, {})
    return entry


def one_command(cmd: str | list[str]) -> str:
    """Return a command, or a list of them, as one text."""
    if isinstance(cmd, str):
        return cmd
    return "\n".join(cmd)
