"""The text of dvc.lock, and of a run in the run-cache, byte for byte as DVC writes it."""

import io
import itertools
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

Key = tuple[str, str]  # the lock file relative to the root, the stage's name in it
Entry = dict[str, Any]  # as it stands in dvc.lock

HEAD = "schema: '2.0'\nstages:\n"
STAGE = re.compile(
    r"^  (?=[^\s#:])", re.MULTILINE
)  # `? name` and `: entry` of a long name are one block


def with_entries(old: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Replaces the entries of known stages and appends those of new ones, in the given order.

    DVC parses and writes the whole file again for each stage. The text of other stages stays as it is here.
    """
    text = old or HEAD
    if not text.startswith(HEAD) or re.search(r"^\S", text[len(HEAD) :], re.MULTILINE):
        return _rewritten(old, entries)
    blocks = {_name(block): block for block in _blocks(text[len(HEAD) :])}
    blocks |= {name: _block(name, entry) for name, entry in entries.items()}
    return HEAD + "".join(blocks.values())


def _blocks(text: str) -> list[str]:
    starts = [m.start() for m in STAGE.finditer(text)]
    return [text[a:b] for a, b in itertools.pairwise([*starts, len(text)])]


def _name(block: str) -> str:
    key = block.split("\n", 1)[0].strip()
    if re.fullmatch(r"[\w@.-]+:", key) and not key[0].isdigit():
        return key[:-1]
    (name,) = YAML(typ="safe", pure=True).load(key)
    return str(name)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.default_flow_style = False
    return yaml


def _block(name: str, entry: Mapping[str, Any]) -> str:
    rest = _simple({k: v for k, v in entry.items() if k != "cmd"}, "    ")
    if rest is None or next(iter(entry)) != "cmd":
        return _dumped({"stages": {name: _plain(entry)}}).split("\n", 1)[1]
    command = _command(entry["cmd"], "    ")
    if command is not None and WORD.fullmatch(name) and name.lower() not in RESERVED:
        return f"  {name}:\n{command}{rest}"
    return _dumped({"stages": {name: {"cmd": _plain(entry["cmd"])}}}).split("\n", 1)[1] + rest


def run_text(entry: Mapping[str, Any]) -> str:
    """An entry as DVC writes it into the run-cache."""
    rest = _simple({k: v for k, v in entry.items() if k != "cmd"}, "")
    if rest is None or next(iter(entry)) != "cmd":
        return _dumped(_plain(entry))
    return (_command(entry["cmd"], "") or _dumped({"cmd": _plain(entry["cmd"])})) + rest


def _command(command: Any, indent: str) -> str | None:
    """A command of one line that needs neither quotes nor folding; None for any other."""
    line = f"{indent}cmd: {command}"
    if isinstance(command, str) and COMMAND.fullmatch(command) and len(line) <= WIDTH:
        return f"{line}\n"
    return None


def _dumped(value: Any) -> str:
    out = io.StringIO()
    _yaml().dump(value, out)
    return out.getvalue()


def _simple(value: Mapping[str, Any], indent: str) -> str | None:
    """Block YAML of mappings, lists of mappings and scalars that need no thought; None where one does.

    ruamel.yaml takes milliseconds for an entry, and most entries are paths, hashes and sizes.
    """
    lines: list[str] = []
    for key, inner in value.items():
        name = _scalar(key)
        if name is None:
            return None
        if isinstance(inner, Mapping) and inner:
            text = _simple(inner, f"{indent}  ")
            lines.append(f"{indent}{name}:\n{text}")
        elif isinstance(inner, list) and inner and all(isinstance(i, Mapping) and i for i in inner):
            texts = [_simple(i, f"{indent}  ") for i in inner]
            text = (
                None
                if None in texts
                else "".join(f"{indent}- {str(t)[len(indent) + 2 :]}" for t in texts)
            )
            lines.append(f"{indent}{name}:\n{text}")
        else:
            text = _scalar(inner)
            lines.append(f"{indent}{name}: {text}\n")
        if text is None:
            return None
    return "".join(lines)


WORD = re.compile(r"(\.\./)*[A-Za-z_][A-Za-z0-9_./-]{0,59}")
HASH = re.compile(r"(?!0x)(?=.*[a-df])[0-9a-f]{32}(\.dir)?")  # with a letter that no number has
DECIMAL = re.compile(r"-?[0-9]{1,9}\.[0-9]{1,9}")
COMMAND = re.compile(
    r"(?=.* )[A-Za-z./](?:[!-~](?<!:)|:(?=[!-~])| (?=[!-~])(?!#))*"
)  # of ASCII: no `: `, no ` #`
WIDTH = 80  # of a line; ruamel.yaml folds longer ones
RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def _scalar(value: Any) -> str | None:
    """As ruamel.yaml writes it, for what it writes as it is."""
    if isinstance(value, bool):
        return str(value).lower()
    if type(value) is int:
        return str(value)
    if type(value) is float and DECIMAL.fullmatch(repr(value)):
        return repr(value)
    if type(value) is str and (
        HASH.fullmatch(value) or (WORD.fullmatch(value) and value.lower() not in RESERVED)
    ):
        return value
    return None


def _plain(value: Any) -> Any:
    """Fresh dicts and lists: what is shared would be written as an alias."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _rewritten(old: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """For a file that has more than stages, or another form."""
    document = _yaml().load(old)
    document.setdefault("stages", {}).update(
        {name: _plain(entry) for name, entry in entries.items()}
    )
    return _dumped(document)
