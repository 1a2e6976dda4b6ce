"""Append items to lists of a YAML text, and leave every other character of it as it is."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Item = str | dict[str, list[str]]  # of a list of deps or params
ALIAS = re.compile(r"\s*:\s*(\*[^\s,\[\]{}]+)")
DASH = re.compile(r"-[ \t]+(?=\S)")  # with its item in the same line
WIDTH = 2  # of an indent, where the text has none to follow


@dataclass(frozen=True)
class _Edit:
    """Puts a text in the place of what stands between two indexes."""

    start: int
    end: int
    text: str


class YamlText:
    """Holds a YAML text and the edits to it. Positions are those of the text as it was."""

    def __init__(self, text: str) -> None:
        """Parse the text."""
        self._text = text
        self._line_end = "\n"
        if "\r\n" in text:
            self._line_end = "\r\n"
        self._root = YAML(typ="safe", pure=True).compose(text)
        self._edits: list[_Edit] = []

    def append(
        self, path: Sequence[str], key: str, old: Sequence[Item], new: Sequence[Item]
    ) -> None:
        """Append items to the list under a key of the mapping at the path.

        old: those that the list has. They are written too where the list is not the mapping's own:
        it stands elsewhere, and others have it.
        """
        mapping = self._find(path)
        for key_node, value in mapping.value:
            if key_node.value != key:
                continue
            alias = ALIAS.match(self._text, key_node.end_mark.index)
            if alias is not None:
                self._edit(alias.start(1), alias.end(1), _flow([*old, *new]))
            elif isinstance(value, SequenceNode):
                self._append_to_list(value, new)
            return
        self._add_key(mapping, key, [*old, *new])

    def result(self) -> str:
        """Return the text with all edits made."""
        text = self._text
        for edit in sorted(self._edits, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text

    def _edit(self, start: int, end: int, text: str) -> None:
        self._edits.append(_Edit(start, end, text))

    def _find(self, path: Sequence[str]) -> MappingNode:
        node = self._root
        for name in path:
            (node,) = [value for key, value in node.value if key.value == name]
        assert isinstance(node, MappingNode)
        return node

    def _append_to_list(self, node: SequenceNode, items: Sequence[Item]) -> None:
        if node.flow_style:
            self._append_in_flow(node, _flow(items)[1:-1], node.value)
            return
        start = node.start_mark
        dash = DASH.match(self._text, start.index)
        before_item = "- "
        if dash:
            before_item = dash[0]
        indent = " " * start.column + before_item
        self._insert_lines(node, [f"{indent}{_block(item)}" for item in items])

    def _append_in_flow(self, node: Node, text: str, children: Sequence[Any]) -> None:
        """Append to a list or mapping in brackets, after its last child."""
        if children:
            end = _last_end(node)
            self._edit(end, end, f", {text}")
        else:
            end = node.end_mark.index - 1
            self._edit(end, end, text)

    def _add_key(self, mapping: MappingNode, key: str, items: Sequence[Item]) -> None:
        if mapping.flow_style:
            self._append_in_flow(mapping, f"{key}: {_flow(items)}", mapping.value)
            return
        first_key, _ = mapping.value[0]
        column = first_key.start_mark.column
        dash_column = column + self._list_indent(mapping)
        lines = [" " * column + f"{key}:"]
        lines += [" " * dash_column + f"- {_block(item)}" for item in items]
        self._insert_lines(mapping, lines)

    def _list_indent(self, mapping: MappingNode) -> int:
        """Return by how much lists are indented below their key: in the mapping, or anywhere."""
        for node in (mapping, self._root):
            indents = _list_indents(node)
            if indents:
                return indents[0]
        return WIDTH

    def _insert_lines(self, node: Node, lines: Sequence[str]) -> None:
        """Insert lines after the one in which the node ends."""
        last = _last_end(node)
        while last > 0 and self._text[last - 1] in "\r\n":
            last -= 1  # a block scalar ends after its line ends
        end = self._text.find("\n", last)
        added = self._line_end.join(lines)
        if end == -1:
            self._edit(len(self._text), len(self._text), f"{self._line_end}{added}")
        else:
            self._edit(end + 1, end + 1, f"{added}{self._line_end}")


def _last_end(node: Node) -> int:
    """Return the index at which the last scalar in a list or mapping ends.

    A collection in block style itself ends at what follows it, comments included.
    """
    end: int = node.end_mark.index
    if isinstance(node, ScalarNode) or not node.value:
        return end
    child = node.value[-1]
    if isinstance(child, tuple):
        _, child = child  # of a mapping: key and value
    if isinstance(child, ScalarNode) or not child.flow_style:
        return _last_end(child)
    return int(child.end_mark.index)


def _list_indents(node: Node) -> list[int]:
    """List by how much each list in block style is indented below its key."""
    indents: list[int] = []
    if not isinstance(node, MappingNode):
        return indents
    for key, value in node.value:
        is_list = isinstance(value, SequenceNode) and not value.flow_style
        indent = value.start_mark.column - key.start_mark.column
        if is_list and indent >= 0:  # it is less for an alias
            indents.append(indent)
        indents += _list_indents(value)
    return indents


def _block(item: Item) -> str:
    """Write an item to stand behind a dash."""
    if isinstance(item, str):
        return _scalar(item, "{}")
    return ", ".join(f"{_scalar(file, '{}')}: {_flow(keys)}" for file, keys in item.items())


def _flow(items: Sequence[Any]) -> str:
    """Write a list in brackets."""
    written = []
    for item in items:
        match item:
            case str():
                written.append(_scalar(item, "[{}]"))
            case Mapping():
                entries = [f"{_scalar(key, '[{}]')}: {_flow(keys)}" for key, keys in item.items()]
                written.append("{" + ", ".join(entries) + "}")
    return "[" + ", ".join(written) + "]"


def _scalar(text: str, around: str) -> str:
    """Write a text plain, or in quotes where it would not be read as that text then.

    around: what it stands in, `{}` in its place.
    """
    expected: dict[str, object] = {"k": text}
    if around == "[{}]":
        expected = {"k": [text]}
    if "\n" not in text and _load(f"k: {around.format(text)}") == expected:
        return text
    return json.dumps(text, ensure_ascii=False)


def _load(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None
