"""Defines the errors that a user can cause, and the words of their messages."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Reports bad input in one line: where it is, what was found there, what was expected."""

    def __init__(self, where: object, found: str, expected: str) -> None:
        super().__init__(" ".join(f"{where}: found {found}; expected {expected}".split()))


class OwnCodeError(Exception):
    """Reports an error inside a class of the user's own: one line, then its traceback."""

    def __init__(self, where: str, name: str, cause: Exception) -> None:
        super().__init__(f"{where}: {name} raised {type(cause).__name__}; its traceback:")
        self.cause = cause


def shown(value: object) -> str:
    """Write the value as it reads in an error message, cut to one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_of(names: Iterable[str], wrong: str) -> str:
    """List the names, and say which was probably meant by a wrong one that is close to it."""
    known = list(names)
    listed = ", ".join(known[:12])
    if len(known) > 12:
        listed += f" and {len(known) - 12} more"
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wrong.lower(), folded, n=1)
    if not close:
        return f"one of {listed}"
    return f"one of {listed} (did you mean {folded[close[0]]!r}?)"
