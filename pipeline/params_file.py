"""A params file cut down to the declared keys: values and their notation stay, other keys go."""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import dpath
import tomlkit
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node


def cut(path: Path, keys: Sequence[str]) -> str:
    """The file's text with the declared keys only (all of it where none is declared)."""
    text = path.read_text(encoding="utf-8")
    if not keys:
        return text
    match path.suffix.lower():
        case ".json":
            return json.dumps(_selected(json.loads(text), keys), ensure_ascii=False, indent=2) + "\n"
        case ".toml":
            document = tomlkit.parse(text)
            _remove(document, keys)
            return tomlkit.dumps(document)
        case ".py":
            return _cut_python(text, keys)
    return _cut_yaml(text, keys)


def names(value: Any, prefix: str = "") -> Iterator[str]:
    """Every key of the parsed file, dotted."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{prefix}{key}"
            yield from names(inner, f"{prefix}{key}.")


def _selected(document: Any, keys: Sequence[str]) -> Any:
    """The declared keys as nested mappings, in the document's order."""
    found: dict[str, Any] = {}
    for key in keys:
        dpath.merge(found, dpath.search(document, key, separator="."), separator=".")
    return {key: found[key] for key in document if key in found}


def _wanted(key: str, keys: Sequence[str], prefix: str) -> bool | None:
    """True: the whole value is declared; None: a part of it; False: nothing. Patterns count as the whole."""
    name = f"{prefix}{key}"
    if any(k == name or name.startswith(f"{k}.") for k in keys):
        return True
    above = [k for k in keys if k.startswith(f"{name}.")]
    patterns = [k for k in keys if set("*?[") & set(k)]
    if patterns:
        return True
    return None if above else False


def _remove(table: Any, keys: Sequence[str], prefix: str = "") -> None:
    """Takes the undeclared keys out of a mapping, in place."""
    for key in list(table):
        wanted = _wanted(str(key), keys, prefix)
        if wanted is False:
            del table[key]
        elif wanted is None and isinstance(table[key], Mapping):
            _remove(table[key], keys, f"{prefix}{key}.")


def _cut_yaml(text: str, keys: Sequence[str]) -> str:
    """Cuts the text itself: a YAML 1.1 reader takes `1e-3` for text and 0.001 for a number, so no value is rewritten.

    Where that is not possible (anchors), the values are written anew.
    """
    yaml = YAML(typ="safe", pure=True)
    expected = _pruned(yaml.load(text), keys)
    root = yaml.compose(text)
    if isinstance(root, MappingNode):
        kept = "".join(_kept(text, root, keys, ""))
        with suppress(YAMLError):
            if yaml.load(kept) == expected:
                return kept
    rewriting = YAML(typ="rt")
    rewriting.preserve_quotes = True
    document = rewriting.load(text)
    _remove(document, keys)
    out = StringIO()
    rewriting.dump(document, out)
    return out.getvalue()


def _pruned(value: Any, keys: Sequence[str], prefix: str = "") -> Any:
    made = {}
    for key, inner in value.items():
        wanted = _wanted(str(key), keys, prefix)
        if wanted:
            made[key] = inner
        elif wanted is None:
            made[key] = _pruned(inner, keys, f"{prefix}{key}.") if isinstance(inner, Mapping) else inner
    return made


def _kept(text: str, node: MappingNode, keys: Sequence[str], prefix: str) -> Iterator[str]:
    """Pieces of the text of a mapping with its declared entries."""
    entries: list[tuple[Node, Node]] = node.value
    starts = [key.start_mark.index for key, _ in entries]
    ends = [*starts[1:], _end(text, node)]
    flow = text[node.start_mark.index] == "{"
    if flow:
        yield "{"
    for (key, value), start, end in zip(entries, starts, ends, strict=True):
        wanted = _wanted(str(key.value), keys, prefix)
        if wanted is False:
            continue
        if flow:
            end = value.end_mark.index
        if wanted is None and isinstance(value, MappingNode):
            yield text[start : value.start_mark.index]
            yield from _kept(text, value, keys, f"{prefix}{key.value}.")
        else:
            yield text[start:end]
        if flow:
            yield ", "
    if flow:
        yield "}"


def _end(text: str, node: Node) -> int:
    return len(text) if node.start_mark.column == 0 else int(node.end_mark.index)


def _cut_python(text: str, keys: Sequence[str]) -> str:
    """Drops assignments of undeclared names, at the top and in classes; all other code stays."""
    lines = text.splitlines(keepends=True)
    for statement in ast.parse(text).body:
        inner = statement.body if isinstance(statement, ast.ClassDef) else []
        prefix = f"{statement.name}." if isinstance(statement, ast.ClassDef) else ""
        for assignment in [statement, *inner]:
            name = _assigned(assignment)
            if name and _wanted(name, keys, "" if assignment is statement else prefix) is False:
                indent = " " * assignment.col_offset
                end = assignment.end_lineno or assignment.lineno
                lines[assignment.lineno - 1 : end] = [f"{indent}pass\n"] + ["\n"] * (end - assignment.lineno)
    return "".join(lines)


def _assigned(statement: ast.stmt) -> str | None:
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if isinstance(statement, ast.AnnAssign):
        target = statement.target
    return target.id if isinstance(target, ast.Name) else None
