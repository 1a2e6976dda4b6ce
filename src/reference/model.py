"""Holds what good data are like: data/reference.json, which git has and people review."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from src.errors import InputError, shown
from src.files import write_text
from src.reference.columns import UNSTORED, AnyColumn, Range
from src.schema import Task


class Reference(BaseModel):
    """Describes a table by what does not depend on the order of its rows or columns.

    The target is among the columns.
    """

    model_config = ConfigDict(extra="forbid", strict=True)
    task: Task
    target: str
    id: str | None
    rows: int  # with a target
    without_target: int
    duplicates: int  # rows whose id another row has already
    ignored: list[str]  # raw columns that are no feature
    columns: dict[str, AnyColumn]

    @property
    def edges(self) -> dict[str, list[float]]:
        """Map the columns to their deciles, if they are of numbers."""
        return {name: getattr(column, "edges", []) for name, column in self.columns.items()}

    @property
    def far(self) -> dict[str, Range]:
        """Map the columns to from where on values are far beyond theirs."""
        return {name: column.far for name, column in self.columns.items()}

    def text(self) -> str:
        """Write as JSON with a line a column, for a diff to be read by people."""
        document = self.model_dump(exclude={"columns": {"__all__": UNSTORED}})
        columns = members(document.pop("columns"), "    ")
        head = members(document, "  ")
        return f'{{\n{head},\n  "columns": {{\n{columns}\n  }}\n}}\n'

    def write(self, path: Path) -> None:
        """Write the file."""
        write_text(path, self.text())

    @classmethod
    def read(cls, path: Path, command: str) -> Self:
        """Read the file; raise InputError, with the command that makes one, if there is none."""
        expected = f"a reference of good data, as `{command}` writes"
        if not path.is_file():
            raise InputError(path, "no such file", expected)
        try:
            reference = cls.model_validate_json(path.read_bytes())
        except ValidationError as e:
            first = e.errors()[0]
            where = ".".join(map(str, [path, *first["loc"]]))
            found = f"{shown(first['input'])} ({first['msg']})"
            raise InputError(where, found, expected) from None
        for column in reference.columns.values():
            column.rows = reference.rows
        return reference

    def since(self, before: Self) -> Self | None:
        """Describe the rows that were appended since the reference was made.

        None, if there are none. A column is left out where some count is smaller than it was: then
        its values were replaced, not appended.
        """
        if self.rows <= before.rows:
            return None
        columns = {}
        for name, now, earlier in same_columns(self, before):
            appended = now.minus(earlier)
            if min(appended.counts) >= 0:
                columns[name] = appended
        rows = self.rows - before.rows
        return self.model_copy(update={"rows": rows, "columns": columns})


def same_columns(now: Reference, before: Reference) -> list[tuple[str, Any, Any]]:
    """Pair the columns that two tables have of one kind."""
    pairs = []
    for name in sorted(now.columns.keys() & before.columns.keys()):
        one, other = now.columns[name], before.columns[name]
        if one.kind == other.kind:
            pairs.append((name, one, other))
    return pairs


def members(mapping: dict[str, Any], indent: str) -> str:
    """Write the members of a JSON object, a line each."""
    lines = []
    for name, value in mapping.items():
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
        lines.append(f"{indent}{json.dumps(name, ensure_ascii=False)}: {written}")
    return ",\n".join(lines)
