"""Defines the reasons for which a stage runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reprise.described import DescribedEnum

SHOWN = 60  # letters of a value that a reason shows


class _Missing:
    def __repr__(self) -> str:
        """Return what a reason shows in its place."""
        return "(none)"


MISSING = _Missing()  # in place of the value of a params key that is not there


class ChangeKind(DescribedEnum):
    """Names what of a stage changed."""

    PARAM = "param", "a value of a params file"
    DEP = "dep", "a file or folder that the stage reads"
    OUT = "out", "a file or folder that the stage writes"
    CMD = "cmd", "the stage's command, or it never ran"
    ALWAYS = "always", "nothing; the stage runs whenever it is asked to"


@dataclass(frozen=True)
class Change:
    """Holds one reason to run.

    where: the file, or the stage's name; what: how the file changed; key: of a param, dotted;
    old and new: the values of a param or command, before and now.
    """

    kind: ChangeKind
    where: str
    what: str = "modified"
    key: str | None = None
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        """Say the reason in a few words."""
        match self.kind:
            case ChangeKind.PARAM if self.key is not None:
                return f"{self.where}: {self.key} {self._values()}"
            case ChangeKind.PARAM:
                return f"{self.where}: {self.what}"
            case ChangeKind.CMD if self.old:
                return f"command: {self._values()}"
            case ChangeKind.CMD:
                return "never ran"
            case ChangeKind.ALWAYS:
                return self.what
        return f"{self.where} {self.what}"

    def _values(self) -> str:
        return f"{_shorten(self.old)} → {_shorten(self.new)}"


def _shorten(value: Any) -> str:
    """Put the value on one line, and cut it."""
    text = value
    if not isinstance(value, str):
        text = repr(value)
    line = " ".join(text.split())
    if len(line) <= SHOWN:
        return line
    return f"{line[: SHOWN - 3]}..."


def param_changes(where: str, key: str, old: Any, new: Any) -> list[Change]:
    """List what changed inside a changed value of a params file, by dotted keys."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return [Change(ChangeKind.PARAM, where, "modified", key, old, new)]
    changes = []
    for inner in dict.fromkeys([*old, *new]):
        before, now = old.get(inner, MISSING), new.get(inner, MISSING)
        if before != now:
            changes += param_changes(where, f"{key}.{inner}", before, now)
    return changes
