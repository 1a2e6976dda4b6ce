"""Writes the text of dvc.lock, and of a run in the run-cache, byte for byte as DVC does."""

import io
import itertools
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

Key = tuple[str, str]  # the lock file relative to the root, the stage's name in it
Entry = dict[str, Any]  # as it stands in dvc.lock

HEAD = "schema: '2.0'\nstages:\n"
KEY = re.compile(r"^\S", re.MULTILINE)  # of the file itself: it has more than stages
# Where a stage's block begins. `? name` and `: entry` of a long name are one block.
STAGE = re.compile(r"^  (?=[^\s#:])", re.MULTILINE)

# Text that ruamel.yaml writes as it is. All else is left to it.
WORD = re.compile(r"(\.\./)*[A-Za-z_][A-Za-z0-9_./-]{0,59}")
HASH = re.compile(r"(?!0x)(?=.*[a-df])[0-9a-f]{32}(\.dir)?")  # with a letter that no number has
DECIMAL = re.compile(r"-?[0-9]{1,9}\.[0-9]{1,9}")
# Of ASCII, without `: ` and ` #`.
COMMAND = re.compile(r"(?=.* )[A-Za-z./](?:[!-~](?<!:)|:(?=[!-~])| (?=[!-~])(?!#))*")
WIDTH = 80  # of a line; ruamel.yaml folds longer ones
RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def replace_entries(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Replace the entries of known stages in a dvc.lock, and append those of new ones.

    text: of the file, empty where there is none; entries: by the stages' names, in order. DVC
    parses and writes the whole file again for each stage. The text of other stages stays as it is
    here.
    """
    lock = text or HEAD
    stages = lock.removeprefix(HEAD)
    if stages == lock or KEY.search(stages):
        return _rewrite(text, entries)
    blocks = {}
    for block in _split_blocks(stages):
        blocks[_block_name(block)] = block
    for name, entry in entries.items():
        blocks[name] = _format_block(name, entry)
    return HEAD + "".join(blocks.values())


def format_run(entry: Mapping[str, Any]) -> str:
    """Format an entry as DVC writes it into the run-cache."""
    rest = _format_all_but_command(entry, "")
    if rest is None:
        return _dump(_copy(entry))
    command = _format_command(entry["cmd"], "")
    if command is None:
        command = _dump({"cmd": _copy(entry["cmd"])})
    return command + rest


def _split_blocks(text: str) -> list[str]:
    """Split the text below `stages:`, one block a stage."""
    starts = [match.start() for match in STAGE.finditer(text)]
    return [text[a:b] for a, b in itertools.pairwise([*starts, len(text)])]


def _block_name(block: str) -> str:
    """Read the stage's name: a plain word, or YAML of any form on the block's first line."""
    key = block.split("\n", 1)[0].strip()
    if re.fullmatch(r"[\w@.-]+:", key) and not key[0].isdigit():
        return key[:-1]
    (name,) = YAML(typ="safe", pure=True).load(key)
    return str(name)


def _format_block(name: str, entry: Mapping[str, Any]) -> str:
    """Format a stage's block in dvc.lock; by ruamel.yaml as much of it as needs that."""
    rest = _format_all_but_command(entry, "    ")
    if rest is None:
        return _dump_block(name, _copy(entry))
    command = _format_command(entry["cmd"], "    ")
    if command is None or not _is_plain_word(name):
        return _dump_block(name, {"cmd": _copy(entry["cmd"])}) + rest
    return f"  {name}:\n{command}{rest}"


# By ruamel.yaml


def _yaml() -> YAML:
    yaml = YAML()
    yaml.default_flow_style = False
    return yaml


def _dump(value: Any) -> str:
    stream = io.StringIO()
    _yaml().dump(value, stream)
    return stream.getvalue()


def _dump_block(name: str, entry: Mapping[str, Any]) -> str:
    """Dump a stage's block with the indent that it has below `stages:`."""
    return _dump({"stages": {name: entry}}).split("\n", 1)[1]


def _copy(value: Any) -> Any:
    """Make fresh dicts and lists: what is shared would be written as an alias."""
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(inner) for inner in value]
    return value


def _rewrite(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Parse and write a whole file: one that has more than stages, or another form."""
    document = _yaml().load(text)
    stages = document.setdefault("stages", {})
    stages.update({name: _copy(entry) for name, entry in entries.items()})
    return _dump(document)


# Without ruamel.yaml: it takes milliseconds for an entry, and most entries are paths, hashes and
# sizes.


class _NotSimpleError(Exception):
    """Signals a value that needs quotes, folding or other thought."""


def _format_command(command: Any, indent: str) -> str | None:
    """Format a command of one line that needs neither quotes nor folding; None for any other."""
    if not isinstance(command, str) or not COMMAND.fullmatch(command):
        return None
    line = f"{indent}cmd: {command}"
    if len(line) > WIDTH:
        return None
    return f"{line}\n"


def _format_all_but_command(entry: Mapping[str, Any], indent: str) -> str | None:
    """Format what follows the command; None where that is not simple, or the command not first."""
    if next(iter(entry)) != "cmd":
        return None
    rest = {key: value for key, value in entry.items() if key != "cmd"}
    try:
        return _format_mapping(rest, indent)
    except _NotSimpleError:
        return None


def _format_mapping(mapping: Mapping[str, Any], indent: str) -> str:
    """Format block YAML. Raises _NotSimpleError where any part of it needs ruamel.yaml."""
    lines = []
    for key, value in mapping.items():
        lines.append(f"{indent}{_format_scalar(key)}:{_format_value(value, indent)}")
    return "".join(lines)


def _format_value(value: Any, indent: str) -> str:
    """Format what follows the colon of a key that has this indent."""
    if isinstance(value, Mapping) and value:
        return "\n" + _format_mapping(value, f"{indent}  ")
    if isinstance(value, list) and value:
        return "\n" + "".join(_format_item(item, indent) for item in value)
    return f" {_format_scalar(value)}\n"


def _format_item(item: Any, indent: str) -> str:
    """Format a mapping in a list: its first line begins with a dash."""
    if not isinstance(item, Mapping) or not item:
        raise _NotSimpleError
    text = _format_mapping(item, f"{indent}  ")
    return f"{indent}- {text[len(indent) + 2 :]}"


def _format_scalar(value: Any) -> str:
    """Format a key, or a value that is neither mapping nor list."""
    # By the very type: ruamel.yaml's own kinds of numbers remember how they were written.
    kind = type(value)
    text = str(value)
    if kind is bool:
        return text.lower()
    if kind is int:
        return text
    if kind is float and DECIMAL.fullmatch(text):
        return text
    if kind is str and HASH.fullmatch(text):
        return text
    if kind is str and _is_plain_word(text):
        return text
    raise _NotSimpleError


def _is_plain_word(text: str) -> bool:
    """Tell whether the text is neither quoted nor read as anything but text."""
    if text.lower() in RESERVED:
        return False
    return WORD.fullmatch(text) is not None
