"""Which keys of a params file a stage declares."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Any

Names = tuple[str, ...]  # of a key and those that it lies in, outermost first

ALL = ("**",)  # keys


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


def declared_of(value: Any, keys: Sequence[str], above: Names) -> Any:
    """What is declared of a parsed value."""
    if not isinstance(value, Mapping):
        return value
    made = {}
    for key, inner in value.items():
        name = (*above, str(key))
        declared = wanted(name, keys)
        part = inner if declared else None if declared is False else declared_of(inner, keys, name)
        if declared or part:
            made[key] = part
    return made
