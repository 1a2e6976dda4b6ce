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

from reprise.dvc.yaml.limits import parse_limited_yaml
from reprise.dvc.yaml.plain import HEAD, Formatter, NotPlainError

Key = tuple[str, str]  # the lock file relative to the root, the stage's name in it
Entry = dict[str, Any]  # as it stands in dvc.lock

STAGES = "stages:\n"
INDENT = "    "  # of an entry's keys
KEY = re.compile(r"^\S", re.MULTILINE)  # of the file itself: it has more than stages
# Where a stage's block begins. `? name` and `: entry` of a long name are one block.
STAGE = re.compile(r"^  (?=[^\s#:])", re.MULTILINE)
# A comment, an anchor or an alias, or what looks like one.
UNUSUAL = re.compile(r"(?:^|\s)#|[:?-] +[&*]", re.MULTILINE)

# Blanks that may be lost where ruamel.yaml folds a line.
BLANKS = re.compile(r"\S(?:  |\t| $)", re.MULTILINE)

MOST_PARSED = 200  # entries that are parsed as they are written


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
    except NotPlainError:
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
    except (NotPlainError, ParseError):
        return None
    stages = {**(parsed.get("stages") or {})}
    for name in moved:
        del stages[name]
    return {"schema": "2.0", **parsed, "stages": stages | part["stages"]}


def format_run(entry: Mapping[str, Any]) -> str:
    """Format an entry as DVC writes it into the run-cache."""
    try:
        return Formatter().mapping(entry, "")
    except NotPlainError:
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
    """Write a file block by block. Raises NotPlainError where it is more than its blocks."""
    lock = text or HEAD
    stages = lock.removeprefix(HEAD)
    if stages == lock or KEY.search(stages):
        raise NotPlainError
    starts = [match.start() for match in STAGE.finditer(stages)]
    if len(starts) != len(parsed):
        raise NotPlainError
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
    except NotPlainError:
        return _only_block(dumps_yaml({"stages": {name: entry}}))


def _write_again(block: str, name: str, entry: Mapping[str, Any]) -> str:
    """Write a block of the file as DVC does that parses and writes it."""
    try:
        if _format_plain_block(name, entry) == block:
            return block
    except NotPlainError:
        pass
    if UNUSUAL.search(block):
        raise NotPlainError
    return _only_block(_dump_parsed(_parse(STAGES + block)))


def _format_plain_block(name: str, entry: Mapping[str, Any]) -> str:
    formatter = Formatter()
    return f"  {formatter.key(name)}:\n{formatter.mapping(entry, INDENT)}"


def _only_block(text: str) -> str:
    """Take the one block of a file. Raises NotPlainError where it may have an anchor.

    DVC numbers anchors over the whole file.
    """
    if UNUSUAL.search(text):
        raise NotPlainError
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
