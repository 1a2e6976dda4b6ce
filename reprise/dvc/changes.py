"""The reasons for which a stage runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class _Missing:
    def __repr__(self) -> str:
        return "(none)"


MISSING = _Missing()


def _shown(value: Any) -> str:
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


class ChangeKind(StrEnum):
    """What of a stage changed."""

    PARAM = "param"
    DEP = "dep"
    OUT = "out"
    CMD = "cmd"
    ALWAYS = "always"

    @property
    def description(self) -> str:
        """Say what the kind means."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    ChangeKind.PARAM: "a value of a params file",
    ChangeKind.DEP: "a file or folder that the stage reads",
    ChangeKind.OUT: "a file or folder that the stage writes",
    ChangeKind.CMD: "the stage's command, or it never ran",
    ChangeKind.ALWAYS: "nothing; the stage runs whenever it is asked to",
}


@dataclass(frozen=True)
class Change:
    """One reason to run. where: the file; key: of a param, dotted."""

    kind: ChangeKind
    where: str
    what: str = "modified"
    key: str | None = None
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        match self.kind:
            case ChangeKind.PARAM if self.key is None:
                return f"{self.where}: {self.what}"
            case ChangeKind.PARAM:
                return f"{self.where}: {self.key} {_shown(self.old)} → {_shown(self.new)}"
            case ChangeKind.CMD:
                return (
                    f"command: {_shown(self.old)} → {_shown(self.new)}" if self.old else "never ran"
                )
            case ChangeKind.ALWAYS:
                return self.what
        return f"{self.where} {self.what}"


def param_changes(where: str, key: str, old: Any, new: Any) -> list[Change]:
    """The changed keys inside a changed value, dotted."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [
            k for k in dict.fromkeys([*old, *new]) if old.get(k, MISSING) != new.get(k, MISSING)
        ]
        return [
            c
            for k in keys
            for c in param_changes(where, f"{key}.{k}", old.get(k, MISSING), new.get(k, MISSING))
        ]
    return [Change(ChangeKind.PARAM, where, "modified", key, old, new)]
