"""Reads YAML 1.2 to the values that DVC reads, by PyYAML's safe loader."""

import re
from typing import Any

from yaml import CollectionNode, CSafeLoader, MappingNode, Node, ScalarNode, SequenceNode, load
from yaml.constructor import ConstructorError, SafeConstructor

TAG = "tag:yaml.org,2002:"
# PyYAML resolves plain text by YAML 1.1, to which `1e-3` is text, `no` false and `010` eight. These
# are the forms of the core schema (YAML 1.2.2, section 10.3), with the digit groups (`1_000`) and
# the binary numbers that DVC's reader takes as well.
CORE_SCHEMA = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "float": (
        r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?"
        r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9_]+([eE][-+][0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "int": (r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)", "-+0123456789"),
}
BASES = {"0b": 2, "0o": 8, "0x": 16}


class Loader(CSafeLoader):
    """Refuses what DVC's reader refuses; the parser of both is libyaml."""

    # `y` and `n` only where the tag !!bool says what they are.
    bool_values = {**SafeConstructor.bool_values, "y": True, "n": False}

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.merged: set[Node] = set()  # mappings with keys that `<<` brought

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """Construct the value of a node.

        PyYAML's own errors for a value that does not fit its tag, as in `!!int x`, name no line.
        """
        try:
            return super().construct_object(node, deep)
        except (AttributeError, LookupError, ValueError):
            raise ConstructorError(None, None, f"no {node.tag}", node.start_mark) from None

    def construct_yaml_int(self, node: ScalarNode) -> int:
        """Construct a whole number; without a prefix it is decimal, leading zeros or not."""
        text = str(self.construct_scalar(node)).replace("_", "")
        sign = -1 if text.startswith("-") else 1
        digits = text[1:] if text.startswith(("-", "+")) else text
        base = BASES.get(digits[:2], 10)
        if base != 10:
            digits = digits[2:]
        return sign * int(digits, base)

    def construct_sequence(self, node: SequenceNode, deep: bool = False) -> list[Any]:
        """Construct a list."""
        refuse_unquoted(node, node.value)
        return super().construct_sequence(node, deep)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping; a key that stands in it twice is an error."""
        if not isinstance(node, MappingNode):  # `!!map x`
            raise ConstructorError(None, None, "no mapping", node.start_mark)
        self.flatten_mapping(node)
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            refuse_unquoted(node, [key_node, value_node])
            key = self.construct_key(key_node)
            if key in mapping and node not in self.merged:
                problem = f'duplicate key "{key}"'
                raise ConstructorError(None, None, problem, key_node.start_mark)
            mapping[key] = self.construct_object(value_node, deep)
        return mapping

    def construct_key(self, node: Node) -> Any:
        """Construct a mapping's key; a list becomes a tuple."""
        key = self.construct_object(node, deep=True)
        if isinstance(key, list):
            key = tuple(key)
        try:
            hash(key)
        except TypeError:
            raise ConstructorError(
                None, None, "a mapping or a set as a key", node.start_mark
            ) from None
        return key

    def flatten_mapping(self, node: MappingNode) -> None:
        """Put the keys that `<<` brings before the mapping's own, which may then repeat them."""
        size = len(node.value)
        merges = [key for key, _ in node.value if key.tag == f"{TAG}merge"]
        if len(merges) > 1:
            raise ConstructorError(None, None, "duplicate key <<", merges[1].start_mark)
        super().flatten_mapping(node)
        if len(node.value) > size - len(merges):
            self.merged.add(node)


def refuse_unquoted(parent: Node, children: list[Node]) -> None:
    """Refuse unquoted `a:b` and `a?b` inside {} and [], as the libyaml that DVC is built with."""
    if not isinstance(parent, CollectionNode) or not parent.flow_style:
        return
    for child in children:
        text = unquoted(child)
        if re.search("[:?]", text):
            problem = f"{text} without quotes inside {{}} or []"
            raise ConstructorError(None, None, problem, child.start_mark)


def unquoted(node: Node) -> str:
    """Return the text of a node without quotes; of other nodes, none."""
    if isinstance(node, ScalarNode) and not node.style:
        return str(node.value)
    return ""


# Of PyYAML's own resolvers, null, timestamps and `<<` are as DVC reads them.
Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag.removeprefix(TAG) not in CORE_SCHEMA]
    for first, resolvers in CSafeLoader.yaml_implicit_resolvers.items()
}
for _name, (_form, _first) in CORE_SCHEMA.items():
    Loader.add_implicit_resolver(TAG + _name, re.compile(rf"^(?:{_form})$"), list(_first))
Loader.add_constructor(f"{TAG}int", Loader.construct_yaml_int)
# DVC reads !!omap to a type of its own library.
Loader.add_constructor(f"{TAG}omap", Loader.construct_undefined)  # type: ignore[type-var]


def read(text: str) -> Any:
    """Read the one document of a text.

    Raises yaml.YAMLError, with the line in `problem_mark` unless a character is none of YAML's.
    """
    return load(text, Loader)  # noqa: S506  # a safe loader
