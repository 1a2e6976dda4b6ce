"""Write entries of a composed YAML document anew, each alias replaced by what it stands for."""

import re
from collections.abc import Sequence

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reprise.params.keys import ALL_KEYS, Coverage, KeyPath, coverage
from reprise.params.serialize import quoted

TAGGED = re.compile(r"(?:&\S+\s+)?!")


def is_merge(key: Node) -> bool:
    """Tell whether the key is `<<`, which stands for entries of other mappings."""
    match key:
        case ScalarNode(value="<<", style=quotes):
            return not quotes
    return False


class YamlWriter:
    """Writes the declared entries of a document in block style, each scalar as the text has it."""

    def __init__(self, text: str, keys: Sequence[str]) -> None:
        """Prepare for the document that was composed from the text, and the declared keys."""
        self._text = text
        self._keys = keys

    def entries(self, mapping: Node, parent: KeyPath, indent: str) -> str:
        """Write the declared entries of a mapping. `parent`: the mapping's key."""
        lines = [self.entry(key, value, parent, indent) for key, value in mapping.value]
        return "".join(lines)

    def entry(self, key: Node, value: Node, parent: KeyPath, indent: str) -> str:
        """Write what is declared of one entry, with its line end; empty where nothing is."""
        if is_merge(key):
            return self._merge(value, parent, indent)
        path = (*parent, str(key.value))
        covered = coverage(path, self._keys)
        if covered is Coverage.NONE:
            return ""
        written = self._key(key, indent)
        inner = f"{indent}  "
        if covered is Coverage.PART and isinstance(value, MappingNode):
            part = self.entries(value, path, inner)
            if not part:
                return ""
            return f"{written}\n{part}"
        return written + self._value(value, inner)

    def _merge(self, value: Node, parent: KeyPath, indent: str) -> str:
        """Write `<<` with a list of the mappings, as far as they are declared."""
        mappings = [value]
        if isinstance(value, SequenceNode):
            mappings = value.value
        items = []
        for mapping in mappings:
            part = self.entries(mapping, parent, f"{indent}    ")
            if part:
                items.append(f"{indent}  -\n{part}")
        if not items:
            return ""
        return f"{indent}<<:\n" + "".join(items)

    def _key(self, key: Node, indent: str) -> str:
        if isinstance(key, ScalarNode):
            return f"{indent}{self._scalar(key)}:"
        return f"{indent}?{self._value(key, indent)}{indent}:"

    def _value(self, node: Node, indent: str) -> str:
        """Write what stands after `key:`, with its line end."""
        match node:
            case ScalarNode():
                return f" {self._scalar(node)}\n"
            case MappingNode():
                empty = "{}"
                inner = YamlWriter(self._text, ALL_KEYS).entries(node, (), indent)
            case _:
                empty = "[]"
                deeper = f"{indent}  "
                items = [f"{indent}-{self._value(item, deeper)}" for item in node.value]
                inner = "".join(items)
        if not inner:
            return f"{self._tag(node)} {empty}\n"
        return f"{self._tag(node)}\n{inner}"

    def _scalar(self, node: ScalarNode) -> str:
        """Write the scalar on one line. Without quotes and tag it stays without."""
        tag = self._tag(node)
        if not node.style and not tag and "\n" not in node.value:
            return str(node.value)
        return f"{tag} {quoted(node.value)}".strip()

    def _tag(self, node: Node) -> str:
        """Return the type, if the text names it, after a blank."""
        if TAGGED.match(self._text, node.start_mark.index):
            return f" !<{node.tag}>"
        return ""
