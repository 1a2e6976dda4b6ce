"""The reasons for which a stage runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class _Missing:
    def __repr__(self) -> str:
        return "(none)"


MISSING = _Missing()


def _shown(value: Any) -> str:
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class Change:
    """One reason to run. kind: param, dep, out, cmd or always; where: the file; key: of a param, dotted."""

    kind: str
    where: str
    what: str = "modified"
    key: str | None = None
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        match self.kind:
            case "param" if self.key is None:
                return f"{self.where}: {self.what}"
            case "param":
                return f"{self.where}: {self.key} {_shown(self.old)} → {_shown(self.new)}"
            case "cmd":
                return f"command: {_shown(self.old)} → {_shown(self.new)}" if self.old else "never ran"
            case "always":
                return self.what
        return f"{self.where} {self.what}"


def param_changes(where: str, key: str, old: Any, new: Any) -> list[Change]:
    """The changed keys inside a changed value, dotted."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [k for k in dict.fromkeys([*old, *new]) if old.get(k, MISSING) != new.get(k, MISSING)]
        return [c for k in keys for c in param_changes(where, f"{key}.{k}", old.get(k, MISSING), new.get(k, MISSING))]
    return [Change("param", where, "modified", key, old, new)]
