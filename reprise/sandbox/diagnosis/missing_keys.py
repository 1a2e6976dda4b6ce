"""Find the keys of params files that a failed command lacked."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reprise.params.keys import Coverage, KeyPath, coverage, key_paths
from reprise.sandbox.diagnosis.error_patterns import (
    KEY_NOT_FOUND,
    NAMED_KEY,
    PYTHON_GET,
    WORD,
    quoted_words,
)
from reprise.sandbox.diagnosis.failure import Failure
from reprise.sandbox.undeclared import Section, Undeclared


@dataclass(frozen=True)
class _Names:
    """Holds words that may name a key: the message's, and these with those of the failed line."""

    message: set[str]
    nearby: set[str]


def params_in_messages(failure: Failure) -> Iterator[Undeclared]:
    """Yield the undeclared keys that a message says are absent, the innermost of several.

    `train.lr` is one where the message names train, lr or both, and the line of code that failed
    has what the message leaves out. Such messages are:

        KeyError: 'lr'
        AttributeError: 'types.SimpleNamespace' object has no attribute 'lr'
        ImportError: cannot import name 'LR' from 'settings'
        TypeError: 'NoneType' object is not subscriptable
        null

    The last is all that `jq -e` prints.
    """
    lines = [line for line in failure.last_lines.splitlines() if KEY_NOT_FOUND.search(line)]
    if not lines:
        return
    message = _names(failure, "\n".join(lines))
    names = _Names(message, nearby=message.union(re.findall(r"\w+", failure.failed_lines)))
    for path, declared in failure.stage.params.items():
        if declared and path.exists():
            file = os.path.relpath(path, failure.stage.wdir)
            content = failure.stage.params_of(path)
            for key in _missed_keys(content, declared, names):
                yield Undeclared(Section.PARAMS, file, ".".join(key), path=path)


def _names(failure: Failure, message: str) -> set[str]:
    """Return the words that the message gives as names of keys: quoted, dotted, or after `key`.

    Of None, Python says only that it has no keys, and jq says null: there the names of keys are
    those in the code, or in the commands.
    """
    text = re.sub(r"NoneType.*", "", message)  # what it names after that is no key
    names = set(quoted_words(text))
    names.update(word.strip(".:") for word in WORD.findall(text) if "." in word)
    for match in NAMED_KEY.finditer(failure.last_lines):
        names.add(match[1] or match[2])
    if text != message:
        names.update(PYTHON_GET.findall(failure.failed_lines))
    elif "null" in message:
        names.update(quoted_words(failure.commands))
        names.update(re.findall(r"(?<=\.)\w+", failure.commands))
    return names


def _missed_keys(content: Any, declared: list[str], names: _Names) -> list[KeyPath]:
    """List the keys of a parsed params file that the names are of, the innermost of several."""
    keys = [key for key in key_paths(content) if _is_missed(key, declared, names)]
    parents: set[KeyPath] = set()
    for key in keys:
        for depth in range(len(key)):
            parents.add(key[:depth])
    return [key for key in keys if key not in parents]


def _is_missed(key: KeyPath, declared: list[str], names: _Names) -> bool:
    """Tell whether the key is undeclared, and the names are of it.

    A key is missed where the mapping that it lies in is there: else it is that mapping which is
    missed first.
    """
    if coverage(key, declared) is not Coverage.NONE:
        return False
    if ".".join(key) in names.message:
        return True
    parent = coverage(key[:-1], declared)  # part of the whole file is declared
    if parent is Coverage.PART and key[-1] in names.message:
        return True
    return not names.message.isdisjoint(key) and names.nearby.issuperset(key)
