"""A params file cut down to the declared keys: values and their notation stay, other keys go."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Names = tuple[str, ...]  # of a key and those that it lies in, outermost first

ALL = ("**",)  # keys
ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")  # ends of lines, or not allowed
TAGGED = re.compile(r"(?:&\S+\s+)?!")


def cut(path: Path, keys: Sequence[str]) -> str:
    """The file's text with the declared keys only (all of it where none is declared)."""
    text = path.read_bytes().decode("utf-8")  # line ends stay
    if not keys:
        return text
    match path.suffix.lower():
        case ".json":
            return _json(_cut(json.loads(text, parse_float=_Number, parse_int=_Number), keys, ())) + "\n"
        case ".toml":
            return "\n".join(_toml(_cut(tomllib.loads(text), keys, ()))) + "\n"
        case ".py":
            return _cut_python(text, keys)
    return _cut_yaml(text, keys)


def names(value: Any, above: Names = ()) -> Iterator[Names]:
    """Every key of the parsed file that a stage can declare."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if "." not in str(key):
                yield (*above, str(key))
                yield from names(inner, (*above, str(key)))


def wanted(name: Names, keys: Sequence[str]) -> bool | None:
    """True: the whole value is declared; None: something in it may be; False: nothing."""
    found: bool | None = False
    for key in keys:
        parts = [*takewhile("**".__ne__, key.split("."))]  # `**` stands for all below it
        if all(fnmatchcase(n, p) for n, p in zip(name, parts, strict=False)):
            if len(parts) <= len(name):
                return True
            found = None
    return found


def _cut(value: Any, keys: Sequence[str], above: Names) -> Any:
    """What is declared of a parsed value."""
    if not isinstance(value, Mapping):
        return value
    made = {}
    for key, inner in value.items():
        name = (*above, str(key))
        declared = wanted(name, keys)
        part = inner if declared else None if declared is False else _cut(inner, keys, name)
        if declared or part:
            made[key] = part
    return made


class _Number(str):
    """As it stands in the text: YAML readers read JSON too, and take 1e-05 for text, but not 0.00001."""


def _json(value: Any, indent: str = "\n") -> str:
    inner = f"{indent}  "
    match value:
        case dict() if value:
            entries = (f"{inner}{json.dumps(k)}: {_json(v, inner)}" for k, v in value.items())
            return f"{{{','.join(entries)}{indent}}}"
        case list() if value:
            return f"[{','.join(f'{inner}{_json(v, inner)}' for v in value)}{indent}]"
        case _Number():
            return value
    return json.dumps(value)


def _toml(table: Mapping[str, Any], header: str = "") -> Iterator[str]:
    """The lines of a table: its values, then the tables in it."""
    yield from (f"{_toml_key(k)} = {_toml_value(v)}" for k, v in table.items() if not isinstance(v, dict))
    for key, inner in table.items():
        if isinstance(inner, dict):
            name = f"{header}.{_toml_key(key)}".lstrip(".")
            yield from (f"[{name}]", *_toml(inner, name))


def _toml_value(value: Any) -> str:
    match value:
        case dict():
            return f"{{{', '.join(f'{_toml_key(k)} = {_toml_value(v)}' for k, v in value.items())}}}"
        case list():
            return f"[{', '.join(map(_toml_value, value))}]"
        case str():
            return _quoted(value)
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
    return str(value.isoformat())  # dates and times


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _quoted(key)


def _quoted(text: str) -> str:
    """As TOML and YAML quote it."""
    return ESCAPED.sub(lambda end: f"\\u{ord(end[0]):04x}", json.dumps(text, ensure_ascii=False))


# YAML. The text itself is cut, and no value is rewritten: a YAML 1.1 reader takes `1e-3` for text, `yes` for true and
# 010 for 8, a YAML 1.2 reader for 0.001, "yes" and 10.


def _cut_yaml(text: str, keys: Sequence[str]) -> str:
    text = text.removeprefix("\ufeff")
    root = _composed(text)
    if not isinstance(root, MappingNode):
        return text
    if _in_lines(text, root):
        header = text[: _line(text, root.value[0][0])]
        return header + ("".join(_lines(text, root, len(text), keys, ())) or "{}\n")
    return f"{text[: root.start_mark.index]}\n{_entries(text, root, keys, (), '')}".lstrip("\n")


@lru_cache(maxsize=64)
def _composed(text: str) -> Node | None:
    """The same params file is cut for many stages."""
    node: Node | None = YAML(typ="safe").compose(text)
    return node


def _line(text: str, node: Node) -> int:
    """Where the line starts in which the node starts."""
    return max(text.rfind(end, 0, node.start_mark.index) for end in "\n\r") + 1


def _in_lines(text: str, node: Node) -> bool:
    """Whether each entry has lines of its own."""
    assert isinstance(node, MappingNode)
    before = [text[_line(text, key) : key.start_mark.index] for key, _ in node.value]
    return bool(before) and not node.flow_style and not any(b.strip() for b in before)


def _lines(text: str, node: Node, end: int, keys: Sequence[str], above: Names) -> Iterator[str]:
    """The lines of the declared entries; `end`: of the mapping's last line."""
    starts = [_line(text, key) for key, _ in node.value]
    for (key, value), start, stop in zip(node.value, starts, [*starts[1:], end], strict=True):
        name = (*above, str(key.value))
        declared = wanted(name, keys)
        own = _is_within(value, start, stop) and not _is_merge(key)
        if own and declared is False:
            continue
        if own and (declared or not isinstance(value, MappingNode)):
            yield text[start:stop]
        elif own and _in_lines(text, value):
            kept = "".join(_lines(text, value, stop, keys, name))
            yield text[start : _line(text, value.value[0][0])] + kept if kept else ""
        else:
            yield _entry(text, key, value, keys, above, text[start : key.start_mark.index])


def _is_within(node: Node, start: int, end: int) -> bool:
    """Whether the whole value stands there: nothing in it is an alias of something elsewhere."""
    if not start <= node.start_mark.index < end:
        return False
    if isinstance(node, MappingNode):
        return all(_is_within(n, start, end) for pair in node.value for n in pair)
    return isinstance(node, ScalarNode) or all(_is_within(n, start, end) for n in node.value)


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == "<<" and not key.style


def _entries(text: str, node: Node, keys: Sequence[str], above: Names, indent: str) -> str:
    """The declared entries, written anew."""
    return "".join(_entry(text, key, value, keys, above, indent) for key, value in node.value)


def _entry(text: str, key: Node, value: Node, keys: Sequence[str], above: Names, indent: str) -> str:
    """An entry as far as it is declared, aliases replaced by what they stand for."""
    name = (*above, str(key.value))
    declared = wanted(name, keys)
    if _is_merge(key):
        merged = value.value if isinstance(value, SequenceNode) else [value]
        parts = [_entries(text, mapping, keys, above, f"{indent}    ") for mapping in merged]
        return f"{indent}<<:\n" + "".join(f"{indent}  -\n{p}" for p in parts if p) if any(parts) else ""
    if declared is False:
        return ""
    written = (
        f"{indent}{_scalar(text, key)}:"
        if isinstance(key, ScalarNode)
        else f"{indent}?{_value(text, key, indent)}{indent}:"
    )
    if declared is None and isinstance(value, MappingNode):
        part = _entries(text, value, keys, name, f"{indent}  ")
        return f"{written}\n{part}" if part else ""
    return written + _value(text, value, f"{indent}  ")


def _value(text: str, node: Node, indent: str) -> str:
    """What stands after `key:`, with its line end."""
    if isinstance(node, ScalarNode):
        return f" {_scalar(text, node)}\n"
    if isinstance(node, MappingNode):
        inner, empty = _entries(text, node, ALL, (), indent), "{}"
    else:
        inner, empty = "".join(f"{indent}-{_value(text, n, f'{indent}  ')}" for n in node.value), "[]"
    return f"{_tag(text, node)}\n{inner}" if inner else f"{_tag(text, node)} {empty}\n"


def _scalar(text: str, node: ScalarNode) -> str:
    """On one line; unquoted it stays unquoted."""
    tag = _tag(text, node)
    if not node.style and not tag and "\n" not in node.value:
        return str(node.value)
    return f"{tag} {_quoted(node.value)}".strip()


def _tag(text: str, node: Node) -> str:
    """The type, if the text names it."""
    return f" !<{node.tag}>" if TAGGED.match(text, node.start_mark.index) else ""


# Python, as far as DVC reads it: literals assigned in the module, in classes, and to `self` in `__init__`.


def _cut_python(text: str, keys: Sequence[str]) -> str:
    """Drops what is undeclared; all other code stays."""
    source = text.encode()  # columns are in bytes
    lines = [0, *(m.end() for m in re.finditer(rb"\r\n?|\n", source))]

    def place(node: ast.stmt | ast.expr) -> slice:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return slice(lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset)

    def part(node: ast.Dict, above: Names) -> bytes:
        """The declared entries of a dictionary."""
        entries = []
        for key, value in zip(node.keys, node.values, strict=True):
            assert key is not None
            name = (*above, str(ast.literal_eval(key)))
            declared = wanted(name, keys)
            if declared is not False:
                inner = part(value, name) if declared is None and isinstance(value, ast.Dict) else source[place(value)]
                entries.append(source[place(key)] + b": " + inner)
        return b"{" + b", ".join(entries) + b"}"

    cut = source
    for name, statement in reversed([*_assignments(ast.parse(text).body, ())]):
        declared = wanted(name, keys)
        if declared is False:
            cut = cut[: place(statement).start] + b"pass" + cut[place(statement).stop :]
        elif declared is None and isinstance(statement.value, ast.Dict):
            at = place(statement.value)
            cut = cut[: at.start] + part(statement.value, name) + cut[at.stop :]
    return cut.decode()


def _assignments(
    body: list[ast.stmt], above: Names, *, to_self: bool = False
) -> Iterator[tuple[Names, ast.Assign | ast.AnnAssign]]:
    """Those that DVC takes for params, in the order of the text."""
    for statement in body:
        match statement:
            case ast.ClassDef():
                yield from _assignments(statement.body, (*above, statement.name))
            case ast.FunctionDef(name="__init__"):
                yield from _assignments(statement.body, above, to_self=True)
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                match target:
                    case ast.Name(id=name) if not to_self and _is_literal(value):
                        yield (*above, name), statement
                    case ast.Attribute(value=ast.Name(id="self"), attr=name) if _is_literal(value):
                        yield (*above, name), statement


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True
