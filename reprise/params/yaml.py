"""A YAML params file cut.

The text itself is cut, and no value is rewritten: a YAML 1.1 reader takes `1e-3` for text, `yes` for true and 010
for 8, a YAML 1.2 reader for 0.001, "yes" and 10.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reprise.params.keys import ALL, Names, wanted
from reprise.params.serialize import quoted

TAGGED = re.compile(r"(?:&\S+\s+)?!")


def cut_yaml(text: str, keys: Sequence[str]) -> str:
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


def _entry(
    text: str, key: Node, value: Node, keys: Sequence[str], above: Names, indent: str
) -> str:
    """An entry as far as it is declared, aliases replaced by what they stand for."""
    name = (*above, str(key.value))
    declared = wanted(name, keys)
    if _is_merge(key):
        merged = value.value if isinstance(value, SequenceNode) else [value]
        parts = [_entries(text, mapping, keys, above, f"{indent}    ") for mapping in merged]
        return (
            f"{indent}<<:\n" + "".join(f"{indent}  -\n{p}" for p in parts if p)
            if any(parts)
            else ""
        )
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
        inner, empty = (
            "".join(f"{indent}-{_value(text, n, f'{indent}  ')}" for n in node.value),
            "[]",
        )
    return f"{_tag(text, node)}\n{inner}" if inner else f"{_tag(text, node)} {empty}\n"


def _scalar(text: str, node: ScalarNode) -> str:
    """On one line; unquoted it stays unquoted."""
    tag = _tag(text, node)
    if not node.style and not tag and "\n" not in node.value:
        return str(node.value)
    return f"{tag} {quoted(node.value)}".strip()


def _tag(text: str, node: Node) -> str:
    """The type, if the text names it."""
    return f" !<{node.tag}>" if TAGGED.match(text, node.start_mark.index) else ""
