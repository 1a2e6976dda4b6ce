"""Writes and reads plain YAML without ruamel.yaml, as that would.

Numbers, text without quotes, and block mappings and lists of them are plain: most of what DVC
writes into dvc.lock and the run-cache. Tests compare the two.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

HEAD = "schema: '2.0'\nstages:\n"  # of a dvc.lock

# Text that ruamel.yaml writes as it is. Of ASCII, without `: ` and ` #`, and none of the words that
# a YAML reader may take for another value.
NOT_RESERVED = r"(?!(?i:null|true|false|yes|no|on|off|y|n)\Z)"
WORD = re.compile(rf"{NOT_RESERVED}(?=.{{1,60}}\Z)(\.\./)*[A-Za-z_][A-Za-z0-9_./-]*")
PLAIN = re.compile(
    rf"{NOT_RESERVED}(?:"
    r"(?!0[bx])(?=.*[a-df])[0-9a-f]{32}(?:\.dir)?"  # a hash, and no number in another base
    r"|(?:\.\.?/)*[A-Za-z_/](?:[!-~](?<!:)|:(?=[!-~])| (?=[!-~])(?!#))*"
    r")"
)
NOT_FINITE = {"inf", "-inf", "nan"}
WIDTH = 80  # of a line; ruamel.yaml folds longer ones

# What the reader takes apart.
ENTRY = re.compile(r"([A-Za-z0-9_./-]+):( .*)?")
INT = re.compile(r"-?[0-9]{1,18}")
FLOAT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?")
CONSTANTS = {"": None, "true": True, "false": False}
Line = tuple[int, str]  # blanks before it, and the rest
END = (-1, "")


class NotPlainError(Exception):
    """Signals what is not plain: it needs quotes, anchors or the like."""


class Formatter:
    """Formats an entry in block YAML. Raises NotPlainError where that needs ruamel.yaml."""

    def __init__(self) -> None:
        self._seen: set[int] = set()  # ids of mappings and lists: one that comes twice is aliased

    def mapping(self, mapping: Mapping[str, Any], indent: str) -> str:
        """Format the lines of a mapping that is not empty."""
        self._see(mapping)
        lines = []
        for key, value in mapping.items():
            written = f"{indent}{self.key(key)}:"
            lines.append(written + self._value(value, indent, len(written)))
        return "".join(lines)

    def key(self, key: Any) -> str:
        """Format a key, without the colon."""
        if type(key) is int:
            return str(key)
        if type(key) is str and WORD.fullmatch(key):
            return key
        raise NotPlainError

    def _value(self, value: Any, indent: str, column: int) -> str:
        """Format what follows the colon of a key.

        indent: the key's; column: where the colon ends.
        """
        if isinstance(value, Mapping) and value:
            return "\n" + self.mapping(value, f"{indent}  ")
        if isinstance(value, list) and value:
            self._see(value)
            return "\n" + "".join(self._item(item, indent) for item in value)
        return _format_scalar(value, f"{indent}  ", column)

    def _item(self, item: Any, indent: str) -> str:
        """Format an item of a list, whose dash has this indent."""
        inner = f"{indent}  "
        if isinstance(item, Mapping) and item:
            lines = self.mapping(item, inner)
            return f"{indent}- {lines[len(inner) :]}"
        if item is None:
            return f"{indent}- \n"
        return f"{indent}-{_format_scalar(item, inner, len(indent) + 1)}"

    def _see(self, value: Any) -> None:
        if id(value) in self._seen:
            raise NotPlainError
        self._seen.add(id(value))


def _format_scalar(value: Any, indent: str, column: int) -> str:
    """Format what is neither mapping nor list, after a blank, with its line end.

    indent: of the lines that follow, if it is folded; column: where what stands before it ends.
    """
    # By the very type: ruamel.yaml's own kinds of numbers remember how they were written.
    kind = type(value)
    if value is None:
        return "\n"
    if kind is bool:
        return f" {_fold(str(value).lower(), indent, column + 1)}\n"
    if kind in (int, float) and repr(value) not in NOT_FINITE:
        return f" {_fold(repr(value), indent, column + 1)}\n"
    if kind is str and PLAIN.fullmatch(value):
        return f" {_fold(value, indent, column + 1)}\n"
    raise NotPlainError


def _fold(text: str, indent: str, column: int) -> str:
    """Break long text into lines as ruamel.yaml does.

    indent: of the lines that follow; column: where the text begins.
    """
    line_break = f"\n{indent}"
    written = []
    for number, word in enumerate(text.split(" ")):
        if number and column >= WIDTH:
            written.append(line_break)
            column = len(indent)
        elif number:
            written.append(" ")
            column += 1
        if column + len(word) > WIDTH and column > len(indent):
            written.append(line_break)
            column = len(indent)
        written.append(word)
        column += len(word)
    return "".join(written)


# Reading


def read_plain(text: str) -> dict[Any, Any] | None:
    """Read a mapping, or a dvc.lock, if the formatter writes it as this very text; else None.

    A hand-written file may have the form, too: what it says is the same.
    """
    if not text.startswith(HEAD):
        return _read(text, 0)
    stages = _read(text.removeprefix(HEAD), 2)
    if stages is None:
        return None
    return {"schema": "2.0", "stages": stages}


def _read(text: str, indent: int) -> dict[Any, Any] | None:
    """Read a mapping, if the formatter writes it as this text. indent: blanks before its keys."""
    lines = [END]
    for line in reversed(text.splitlines()):
        content = line.lstrip(" ")
        lines.append((len(line) - len(content), content))
    with suppress(NotPlainError, RecursionError):
        mapping = _read_mapping(lines, indent)
        if mapping and Formatter().mapping(mapping, " " * indent) == text:
            return mapping
    return None


def _read_mapping(lines: list[Line], indent: int) -> dict[Any, Any]:
    """Take the entries of a mapping from the end of `lines`, where the next line stands."""
    mapping = {}
    while lines[-1][0] == indent:
        entry = ENTRY.fullmatch(lines[-1][1])
        if entry is None:
            break
        lines.pop()
        key, written = entry.groups()
        mapping[_read_word(key)] = _read_value(lines, indent, written)
    return mapping


def _read_value(lines: list[Line], indent: int, written: str | None) -> Any:
    """Take the value of a key that has this indent. written: what follows the colon."""
    if written is not None:
        return _read_scalar(lines, indent, written)
    if lines[-1][0] > indent:
        return _read_mapping(lines, indent + 2)
    items = _read_list(lines, indent)
    if not items:
        return None
    return items


def _read_list(lines: list[Line], indent: int) -> list[Any]:
    """Take the items of a list, whose dashes have this indent."""
    items: list[Any] = []
    while lines[-1][0] == indent and lines[-1][1].startswith("- "):
        _, line = lines.pop()
        item = line.removeprefix("- ")
        if ENTRY.fullmatch(item):
            lines.append((indent + 2, item))
            items.append(_read_mapping(lines, indent + 2))
        else:
            items.append(_read_scalar(lines, indent, item))
    return items


def _read_scalar(lines: list[Line], indent: int, written: str) -> Any:
    """Take what is neither mapping nor list, with the lines that it is folded into.

    indent: of the key or dash before it.
    """
    parts = [written.strip(" ")]
    while lines[-1][0] > indent:
        parts.append(lines.pop()[1].strip(" "))
    return _read_word(" ".join(filter(None, parts)))


def _read_word(text: str) -> Any:
    """Read a key, or what is neither mapping nor list."""
    if INT.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    return CONSTANTS.get(text, text)
