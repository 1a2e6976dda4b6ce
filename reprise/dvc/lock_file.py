"""Writes the text of dvc.lock, and of a run in the run-cache, byte for byte as DVC does.

DVC writes by ruamel.yaml, which takes milliseconds for an entry. Here the entries that hold
numbers, plain text, and mappings and lists of them are written without it; tests compare the two.
The rest is left to DVC's own writer.
"""

import copy
import hashlib
import itertools
import json
import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
from dvc.utils.serialize import ParseError, dumps_yaml, parse_yaml_for_update
from ruamel.yaml import YAML
from ruamel.yaml.scalarfloat import ScalarFloat
from voluptuous import Invalid

from reprise.dvc.yaml_limits import parse_limited_yaml

Key = tuple[str, str]  # the lock file relative to the root, the stage's name in it
Entry = dict[str, Any]  # as it stands in dvc.lock

HEAD = "schema: '2.0'\nstages:\n"
STAGES = "stages:\n"
INDENT = "    "  # of an entry's keys
KEY = re.compile(r"^\S", re.MULTILINE)  # of the file itself: it has more than stages
# Where a stage's block begins. `? name` and `: entry` of a long name are one block.
STAGE = re.compile(r"^  (?=[^\s#:])", re.MULTILINE)
# A comment, an anchor or an alias, or what looks like one.
UNUSUAL = re.compile(r"(?:^|\s)#|[:?-] +[&*]", re.MULTILINE)

# Blanks that may be lost where ruamel.yaml folds a line.
BLANKS = re.compile(r"\S(?:  |\t| $)", re.MULTILINE)

# Text that ruamel.yaml writes as it is. Of ASCII, without `: ` and ` #`, and none of the words that
# a YAML reader may take for another value.
NOT_RESERVED = r"(?!(?i:null|true|false|yes|no|on|off|y|n)\Z)"
WORD = re.compile(rf"{NOT_RESERVED}(\.\./)*[A-Za-z_][A-Za-z0-9_./-]{{0,59}}")
PLAIN = re.compile(
    rf"{NOT_RESERVED}(?:"
    r"(?!0x)(?=.*[a-df])[0-9a-f]{32}(?:\.dir)?"  # a hash with a letter that no number has
    r"|(?:\.\.?/)*[A-Za-z_/](?:[!-~](?<!:)|:(?=[!-~])| (?=[!-~])(?!#))*"
    r")"
)
MOST_PARSED = 200  # entries that are parsed as they are written
NOT_FINITE = {"inf", "-inf", "nan"}
WIDTH = 80  # of a line; ruamel.yaml folds longer ones


def is_entry(value: Any) -> bool:
    """Tell whether a value has the form of a stage's entry in dvc.lock."""
    try:
        COMPILED_LOCK_FILE_STAGE_SCHEMA(value)
    except Invalid:
        return False
    return True


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Hash what dvc.lock says of a stage: its command, deps, params and outs."""
    text = json.dumps(entry, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def replace_entries(
    text: str,
    parsed: Mapping[str, Any],
    entries: Mapping[str, Mapping[str, Any]],
    moved: Collection[str] = (),
) -> str:
    """Replace the entries of known stages in a dvc.lock, and append those of new ones.

    text: of the file, empty where there is none; parsed: what DVC reads in it; entries: by the
    stages' names, in order; moved: those of them that lose their place in the file, and are
    appended. DVC parses and writes the whole file again for each stage.
    """
    try:
        return _replace_blocks(text, parsed.get("stages") or {}, entries, moved)
    except _NotSimpleError:
        return _rewrite(text, entries, moved)


def replace_parsed(
    new: str,
    parsed: Mapping[str, Any],
    entries: Mapping[str, Mapping[str, Any]],
    moved: Collection[str] = (),
) -> dict[str, Any] | None:
    """Return what DVC reads in `new`, the text that `replace_entries` made of the rest.

    Only the entries are parsed; None where others may read otherwise than before, or they are many.
    """
    if len(entries) > MOST_PARSED or BLANKS.search(new) or UNUSUAL.search(new):
        return None
    try:
        part = parse_limited_yaml(_replace_blocks("", {}, entries, ()), "dvc.lock")
    except (_NotSimpleError, ParseError):
        return None
    stages = {**(parsed.get("stages") or {})}
    for name in moved:
        del stages[name]
    return {"schema": "2.0", **parsed, "stages": stages | part["stages"]}


def format_run(entry: Mapping[str, Any]) -> str:
    """Format an entry as DVC writes it into the run-cache."""
    try:
        return _Formatter().mapping(entry, "")
    except _NotSimpleError:
        text: str = dumps_yaml(entry)
        return text


def parse_run(text: str) -> Entry:
    """Parse what `format_run` made of an entry. Raises ValueError where it is no YAML."""
    try:
        entry: Entry = parse_limited_yaml(text, "entry")
    except ParseError as error:
        raise ValueError("an entry that is no YAML") from error
    return entry


def _replace_blocks(
    text: str,
    parsed: Mapping[str, Any],
    entries: Mapping[str, Mapping[str, Any]],
    moved: Collection[str],
) -> str:
    """Write a file block by block. Raises _NotSimpleError where it is more than its blocks."""
    lock = text or HEAD
    stages = lock.removeprefix(HEAD)
    if stages == lock or KEY.search(stages):
        raise _NotSimpleError
    starts = [match.start() for match in STAGE.finditer(stages)]
    if len(starts) != len(parsed):
        raise _NotSimpleError
    blocks = {}
    for name, (start, end) in zip(parsed, itertools.pairwise([*starts, len(stages)]), strict=True):
        if name in moved:
            continue
        if name in entries:
            blocks[name] = ""  # it keeps its place
        else:
            blocks[name] = _write_again(stages[start:end], name, parsed[name])
    *others, last = entries
    for name in others:
        blocks[name] = _format_block(name, entries[name])
        if BLANKS.search(blocks[name]):
            blocks[name] = _write_again(blocks[name], name, entries[name])
    blocks[last] = _format_block(last, entries[last])
    return HEAD + "".join(blocks.values())


def _format_block(name: str, entry: Mapping[str, Any]) -> str:
    """Format a new block."""
    try:
        return _format_plain_block(name, entry)
    except _NotSimpleError:
        return _only_block(dumps_yaml({"stages": {name: entry}}))


def _write_again(block: str, name: str, entry: Mapping[str, Any]) -> str:
    """Write a block of the file as DVC does that parses and writes it."""
    try:
        if _format_plain_block(name, entry) == block:
            return block
    except _NotSimpleError:
        pass
    if UNUSUAL.search(block):
        raise _NotSimpleError
    return _only_block(_dump_parsed(_parse(STAGES + block)))


def _format_plain_block(name: str, entry: Mapping[str, Any]) -> str:
    formatter = _Formatter()
    return f"  {formatter.key(name)}:\n{formatter.mapping(entry, INDENT)}"


def _only_block(text: str) -> str:
    """Take the one block of a file. Raises _NotSimpleError where it may have an anchor.

    DVC numbers anchors over the whole file.
    """
    if UNUSUAL.search(text):
        raise _NotSimpleError
    return text.removeprefix(STAGES)


# By DVC's own parser and writer


def _rewrite(text: str, entries: Mapping[str, Mapping[str, Any]], moved: Collection[str]) -> str:
    """Write a whole file, as Lockfile.dump_stages does.

    DVC writes it once a stage. The second time changes text that its writer does not write as it
    reads it; all others change nothing any more.
    """
    if moved:
        document = _parse(text)
        for name in moved:
            del document["stages"][name]
        text = _dump_parsed(document)
    *others, last = entries
    for names in filter(None, (others, [last])):
        document = _parse(text)
        if not document:
            document["schema"] = "2.0"
        document["stages"] = document.get("stages", {})
        for name in names:
            document["stages"][name] = _copy(entries[name], {})
        text = _dump_parsed(document)
    return text


def _parse(text: str) -> Any:
    return parse_yaml_for_update(text, "dvc.lock")


def _dump_parsed(document: Any) -> str:
    _keep_floats(document)
    text: str = dumps_yaml(document)
    return text


def _copy(value: Any, copies: dict[int, Any]) -> Any:
    """Copy an entry. What is one object in it stays one, and is another than in other entries.

    DVC writes an object that comes twice as an alias, and parses params anew for each stage.
    copies: by the ids of what was copied.
    """
    if id(value) not in copies:
        copied = value
        match value:
            case Mapping():
                copied = {}
                for key, inner in value.items():
                    copied[_copy(key, copies)] = _copy(inner, copies)
            case list():
                copied = [_copy(inner, copies) for inner in value]
            case tuple():
                copied = tuple([_copy(inner, copies) for inner in value])
            case date() | set():
                copied = copy.deepcopy(value)
        copies[id(value)] = copied
    return copies[id(value)]


def _keep_floats(document: Any) -> None:
    """Let numbers that ruamel.yaml would not write as it read them be written by Python.

    It drops the last digit of some floats with an exponent, so that DVC finds a param changed.
    """
    items: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        items = [*document.items()]
    elif isinstance(document, list):
        items = [*enumerate(document)]
    for key, value in items:
        if isinstance(value, ScalarFloat):
            written = YAML().representer.represent_scalar_float(value).value
            if float(written) != value:
                document[key] = float(value)
        else:
            _keep_floats(value)


# Without ruamel.yaml


class _NotSimpleError(Exception):
    """Signals what needs quotes, anchors or other thought."""


class _Formatter:
    """Formats an entry in block YAML. Raises _NotSimpleError where that needs ruamel.yaml."""

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
        raise _NotSimpleError

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
            raise _NotSimpleError
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
        return f" {str(value).lower()}\n"
    if kind in (int, float) and repr(value) not in NOT_FINITE:
        return f" {value!r}\n"
    if kind is str and PLAIN.fullmatch(value):
        return f" {_fold(value, indent, column + 1)}\n"
    raise _NotSimpleError


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
