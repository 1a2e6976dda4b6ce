"""Hold what a plan asks of a stage, as values that JSON has a form for."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any

from reprise.dvc.deps import data_deps, local_items
from reprise.dvc.lock_file import Entry, Key
from reprise.dvc.stage import Stage


@dataclass(frozen=True)
class StageRecord:
    """Holds one stage as it is declared and recorded. Paths are absolute.

    name: as it is addressed from the current folder. key: its file, relative to the root, and its
    name there. declared_in: its file. has_entry: it is one that dvc.lock has entries of; never_ran:
    but not of this one. meta: what of it reprise reads. deps: the local ones, with their hashes in
    dvc.lock; params: the files and the declared keys; outs: the local ones, and whether they
    persist. upstream: the positions of the stages that it reads from. entry: a digest of what
    dvc.lock says of it. The rest is as in `reprise.dvc.stage`.
    """

    name: str
    key: list[str]
    declared_in: str
    wdir: str
    frozen: bool
    ignores_deps: bool
    has_entry: bool
    never_ran: bool
    has_command: bool
    keeps_outs: bool
    meta: dict[str, Any]
    deps: dict[str, str | None]
    params: dict[str, list[str]]
    outs: dict[str, bool]
    upstream: list[int]
    entry: str

    @property
    def lock(self) -> str:
        """Return the path of the dvc.lock with its entry; empty where it has none."""
        if not self.has_entry:
            return ""
        return f"{os.path.splitext(self.declared_in)[0]}.lock"

    @property
    def lock_key(self) -> Key:
        """Return what identifies it in the repository."""
        file, name = self.key
        return (file, name)


def record_stage(stage: Stage, upstream: list[int]) -> StageRecord:
    """Record a stage. upstream: the positions in the plan of the stages that it reads from."""
    deps = local_items(data_deps(stage.dvc.deps))
    return StageRecord(
        name=stage.name,
        key=[*stage.key],
        declared_in=str(stage.declared_in),
        wdir=str(stage.wdir),
        frozen=stage.frozen,
        ignores_deps=stage.ignores_deps,
        has_entry=stage.has_entry,
        never_ran=stage.never_ran,
        has_command=stage.has_command,
        keeps_outs=stage.keeps_outs,
        meta=_own_meta(stage),
        deps={dep.fs_path: dep.hash_info.value for dep in deps},
        params={str(path): keys for path, keys in stage.params.items()},
        outs={str(path): persists for path, persists in stage.outputs.items()},
        upstream=upstream,
        entry=digest_entry(stage.locked),
    )


def _own_meta(stage: Stage) -> dict[str, Any]:
    """Take what is reprise's of the stage's `meta`, which may have values of any kind beside."""
    meta = stage.dvc.meta
    if not isinstance(meta, dict) or "reprise" not in meta:
        return {}
    return {"reprise": meta["reprise"]}


def digest_entry(entry: Entry) -> str:
    """Return a digest of what dvc.lock says of a stage."""
    return hashlib.sha256(repr(entry).encode(errors="surrogatepass")).hexdigest()
