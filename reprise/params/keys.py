"""Match the keys of a params file with the keys that a stage declares."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Any

from reprise.described import DescribedEnum

KeyPath = tuple[str, ...]  # a key, and before it those that it lies in, outermost first

ALL_KEYS = ("**",)  # a declaration of every key


class Coverage(DescribedEnum):
    """Names how much of a key's value a stage declares."""

    WHOLE = "whole", "the value with all that is in it"
    PART = "part", "some keys in the value, if it has them"
    NONE = "none", "nothing of the value"


def coverage(key: KeyPath, declared: Sequence[str]) -> Coverage:
    """Tell how much of the key's value is declared.

    declared: dotted keys as in dvc.yaml, whose parts may be patterns: `models.*.lr`. `**` stands
    for all that is below.
    """
    result = Coverage.NONE
    for pattern in declared:
        parts = list(takewhile("**".__ne__, pattern.split(".")))
        if not all(map(fnmatchcase, key, parts)):
            continue
        if len(parts) <= len(key):
            return Coverage.WHOLE
        result = Coverage.PART
    return result


def key_paths(value: Any, parent: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield every key of a parsed params file that a stage can declare.

    A key with a dot in its name can't be declared, and neither can what lies in it.
    """
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if "." not in str(key):
            path = (*parent, str(key))
            yield path
            yield from key_paths(inner, path)


def select_declared(value: Any, declared: Sequence[str], parent: KeyPath = ()) -> Any:
    """Return the parsed value without the keys that are not declared. `parent`: the value's key."""
    if not isinstance(value, Mapping):
        return value
    selected = {}
    for key, inner in value.items():
        path = (*parent, str(key))
        covered = coverage(path, declared)
        if covered is Coverage.WHOLE:
            selected[key] = inner
        elif covered is Coverage.PART:
            part = select_declared(inner, declared, path)
            if part:
                selected[key] = part
    return selected
