"""Cut a YAML params file.

The text itself is cut, and no value is rewritten: a YAML 1.1 reader takes `1e-3` for text, `yes`
for true and 010 for 8, a YAML 1.2 reader for 0.001, "yes" and 10. Only entries whose lines do not
say all (flow style, aliases, merge keys) are written anew, with each scalar as it was.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from reprise.params.keys import Coverage, KeyPath, coverage
from reprise.params.yaml_writer import YamlWriter, is_merge


def cut_yaml(text: str, keys: Sequence[str]) -> str:
    """Return the text with the declared keys only; all of it where it is no mapping."""
    text = text.removeprefix("\ufeff")
    root = _compose(text)
    if not isinstance(root, MappingNode):
        return text
    cutter = _LineCutter(text, keys)
    if cutter.has_own_lines(root):
        header = text[: cutter.entries_start(root)]
        return header + (cutter.cut(root, len(text), ()) or "{}\n")
    header = text[: root.start_mark.index]
    entries = YamlWriter(text, keys).entries(root, (), indent="")
    return f"{header}\n{entries}".lstrip("\n")


@lru_cache(maxsize=64)  # the same params file is cut for many stages
def _compose(text: str) -> Node | None:
    node: Node | None = YAML(typ="safe").compose(text)
    return node


class _LineCutter:
    """Cuts whole lines out of a mapping in block style."""

    def __init__(self, text: str, keys: Sequence[str]) -> None:
        self._text = text
        self._keys = keys
        self._writer = YamlWriter(text, keys)

    def has_own_lines(self, mapping: MappingNode) -> bool:
        """Tell whether each entry has lines of its own."""
        if mapping.flow_style:
            return False
        return not any(self._before(key).strip() for key, _ in mapping.value)

    def entries_start(self, mapping: MappingNode) -> int:
        """Return the index of the line in which the first entry starts."""
        first_key, _ = mapping.value[0]
        return self._line_start(first_key)

    def cut(self, mapping: MappingNode, end: int, parent: KeyPath) -> str:
        """Return the lines of the declared entries of a mapping in block style.

        end: index in the text at which the mapping's last line ends; parent: the mapping's key.
        """
        starts = [self._line_start(key) for key, _ in mapping.value]
        ends = [*starts[1:], end]
        lines = []
        for (key, value), start, stop in zip(mapping.value, starts, ends, strict=True):
            lines.append(self._cut_entry(key, value, start, stop, parent))
        return "".join(lines)

    def _cut_entry(self, key: Node, value: Node, start: int, end: int, parent: KeyPath) -> str:
        """Return what is declared of the entry whose lines stand from `start` to `end`."""
        if is_merge(key):
            return self._write(key, value, parent)
        path = (*parent, str(key.value))
        covered = coverage(path, self._keys)
        if covered is Coverage.NONE:
            return ""
        if not _is_within(value, start, end):
            return self._write(key, value, parent)
        if covered is Coverage.WHOLE or not isinstance(value, MappingNode):
            return self._text[start:end]
        if not self.has_own_lines(value):
            return self._write(key, value, parent)
        entries = self.cut(value, end, path)
        if not entries:
            return ""
        return self._text[start : self.entries_start(value)] + entries

    def _write(self, key: Node, value: Node, parent: KeyPath) -> str:
        return self._writer.entry(key, value, parent, indent=self._before(key))

    def _before(self, node: Node) -> str:
        """Return what stands before the node in its line."""
        return self._text[self._line_start(node) : node.start_mark.index]

    def _line_start(self, node: Node) -> int:
        start: int = node.start_mark.index
        return max(self._text.rfind("\n", 0, start), self._text.rfind("\r", 0, start)) + 1


def _is_within(node: Node, start: int, end: int) -> bool:
    """Tell whether the whole value stands there: nothing in it is an alias of what is elsewhere."""
    children: list[Node] = []
    match node:
        case MappingNode():
            children.extend(chain.from_iterable(node.value))  # keys and values
        case SequenceNode():
            children.extend(node.value)
    starts_within = start <= node.start_mark.index < end
    return starts_within and all(_is_within(child, start, end) for child in children)
