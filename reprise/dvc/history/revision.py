"""Holds what DVC knows of a commit or of the working tree."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reprise.dvc.history.out_files import RecordedOut
from reprise.dvc.history.values import Values

WORKTREE = "the working tree"


@dataclass(frozen=True)
class StageRecord:
    """Holds a stage as dvc.lock, or a .dvc file, tells it. Paths are relative to the root.

    group: the foreach or matrix stage it was made from, or its own name; source: data of a .dvc
    file, which nothing makes; deps and outs: their hashes; stale: what has changed since it ran;
    meta: of the stage, as dvc.yaml has it; entry: the `entry_hash` of what dvc.lock says; frozen:
    it does not run, whatever changed.
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
    meta: Any = None
    entry: str = ""
    frozen: bool = False


@dataclass
class Revision:
    """Holds a commit or the working tree. Paths are relative to the root.

    All of it is plain values: an object of DVC stands for other files once the switch to its
    revision has ended.

    name: as it was asked for; commit: None for the working tree; metas: of each out, where it is
    declared, and its `meta`; errors: what could not be read; modified: the outs of the working
    tree that are not as recorded, and whether DVC's cache has what is there.
    """

    name: str
    commit: str | None
    records: dict[str, StageRecord] = field(default_factory=dict)
    metrics: Values = field(default_factory=dict)
    params: Values = field(default_factory=dict)
    metas: dict[str, tuple[str, Any]] = field(default_factory=dict)
    outs: dict[str, RecordedOut] = field(default_factory=dict, repr=False)
    errors: list[str] = field(default_factory=list)
    modified: dict[str, bool] = field(default_factory=dict)

    def is_data(self, path: str) -> bool:
        """Tell whether the path is an out, or lies in one."""
        return any(f"{path}/".startswith(f"{out}/") for out in self.outs)

    def has_data_in(self, path: str) -> bool:
        """Tell whether an out lies in the path."""
        return any(out.startswith(f"{path}/") for out in self.outs)

    @property
    def source_outs(self) -> set[str]:
        """Return the data of .dvc files, which nothing makes."""
        outs: set[str] = set()
        for record in self.records.values():
            if record.source:
                outs.update(record.outs)
        return outs

    def stages_that_write(self, path: str) -> list[StageRecord]:
        """List the stages with an out that is the path, lies in it, or has it inside."""
        writers = []
        for record in self.records.values():
            outs = filter(partial(overlap, path), record.outs)
            if not record.source and any(outs):
                writers.append(record)
        return writers

    def hash_of(self, path: str) -> str | None:
        """Return the recorded hash of an out; None for a path that is none."""
        if path not in self.outs:
            return None
        return self.outs[path].hash

    def size_of(self, path: str) -> int | None:
        """Return the recorded bytes of an out; None for a path that is none."""
        if path not in self.outs:
            return None
        return self.outs[path].size


def overlap(one: str, other: str) -> bool:
    """Tell whether two paths are one, or one lies in the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
