"""Refuses YAML that would take all of the memory, or the process: DVC itself has no limits."""

import re
from contextlib import suppress
from typing import Any

from dvc.utils.serialize import ParseError
from dvc.utils.serialize import parse_yaml as _parse_yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode
from ruamel.yaml.tokens import (
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    Token,
)

from reprise.dvc.yaml.plain import read_plain

MOST_LEVELS = 1000  # the C parser ends the process at some ten thousand
MOST_VALUES = 100_000  # that aliases may stand for; a text may have more if it spells them out
BRACKETS = re.compile(r"[\[\]{}]")
BRACKET_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
DASHES = re.compile(rf"(?:[-?][ \t]+){{{MOST_LEVELS}}}")  # of lists in lists, in one line
ENDLESS = 10**18
STEPS: dict[type[Token], int] = {
    BlockMappingStartToken: 1,
    BlockSequenceStartToken: 1,
    FlowMappingStartToken: 1,
    FlowSequenceStartToken: 1,
    BlockEndToken: -1,
    FlowMappingEndToken: -1,
    FlowSequenceEndToken: -1,
}


def parse_limited_yaml(text: str, path: str, typ: str = "safe") -> Any:
    """Parse YAML, in place of parse_yaml. Raises ParseError where it is too deep or too large."""
    if _may_be_deep(text) and _is_deep(text):
        raise ParseError(path, f"found more than {MOST_LEVELS} levels of values; expected less")
    if typ == "safe":
        plain = read_plain(text)
        if plain is not None:
            return plain
    most_values = max(MOST_VALUES, len(text))
    if "<<" in text:
        _check_size(path, _count_merged(text), most_values)
    data = _parse_yaml(text, path, typ)
    if "*" in text:
        _check_size(path, _count_values(data, {}), most_values)
    return data


def _check_size(path: str, values: int, most: int) -> None:
    if values > most:
        found = f"found aliases that stand for more than {MOST_VALUES} values"
        raise ParseError(path, f"{found}; expected less")


def _is_deep(text: str) -> bool:
    """Count the levels of values by YAML's tokens, which takes no stack but much time."""
    depth = 0
    with suppress(YAMLError):  # which the parser tells
        for token in YAML(typ="safe").scan(text):
            depth += STEPS.get(type(token), 0)
            if depth > MOST_LEVELS:
                return True
    return False


def _may_be_deep(text: str) -> bool:
    """Tell whether brackets nest, or dashes follow each other, more than allowed; texts count."""
    depth = 0
    for bracket in BRACKETS.finditer(text):
        depth += BRACKET_STEPS[bracket[0]]
        if depth > MOST_LEVELS:
            return True
        depth = max(0, depth)
    return DASHES.search(text) is not None


def _count_values(value: Any, known: dict[int, int]) -> int:
    """Count the values, each as often as it is reached; a hundred letters count as one.

    known: counts of lists and mappings, by id. One that holds itself is endless.
    """
    match value:
        case dict():
            children = [*value.keys(), *value.values()]
        case list():
            children = value
        case str():
            return 1 + len(value) // 100
        case _:
            return 1
    if id(value) not in known:
        known[id(value)] = ENDLESS
        known[id(value)] = 1 + sum(_count_values(child, known) for child in children)
    return known[id(value)]


def _count_merged(text: str) -> int:
    """Count what merge keys add to mappings: the parser itself spells that out."""
    try:
        root = YAML(typ="safe").compose(text)
    except YAMLError:
        return 0  # the parser will say so
    known: dict[int, int] = {}
    _merged_entries(root, known)
    return sum(known.values())


def _merged_entries(node: Any, known: dict[int, int]) -> int:
    """Return how many entries a mapping has, or the mappings of a list, when all are merged.

    known: those of the nodes that were seen, by id.
    """
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = ENDLESS
    entries = 0
    match node:
        case MappingNode():
            for key, value in node.value:
                count = _merged_entries(value, known)
                entries += count if key.value == "<<" else 1
        case SequenceNode():
            entries = sum(_merged_entries(item, known) for item in node.value)
    known[id(node)] = entries
    return entries
