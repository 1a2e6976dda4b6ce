"""The text of dvc.lock with new entries, byte for byte as DVC writes it."""

import io
import itertools
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

HEAD = "schema: '2.0'\nstages:\n"
STAGE = re.compile(r"^  (?=[^\s#])", re.MULTILINE)


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
    out = io.StringIO()
    _yaml().dump({"stages": {name: _plain(entry)}}, out)
    return out.getvalue().split("\n", 1)[1]


def _plain(value: Any) -> Any:
    """Fresh dicts and lists: what is shared would be written as an alias."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _rewritten(old: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """For a file that has more than stages, or another form."""
    document = _yaml().load(old)
    document.setdefault("stages", {}).update({name: _plain(entry) for name, entry in entries.items()})
    out = io.StringIO()
    _yaml().dump(document, out)
    return out.getvalue()
