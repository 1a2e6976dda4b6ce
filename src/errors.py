"""The one exception for what a user can cause, and the words its message is made of."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Bad input, shown as one line: where it is, what was found there, what was expected."""

    def __init__(self, where: object, found: str, expected: str) -> None:
        super().__init__(" ".join(f"{where}: found {found}; expected {expected}".split()))


def shown(value: object) -> str:
    """The value as it reads in an error message, cut to one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_of(names: Iterable[str], wrong: str) -> str:
    """`a, b or c`, and the name that was probably meant when one is close to the wrong one."""
    known = list(names)
    listed = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wrong.lower(), folded, n=1)
    return f"one of {listed}" + (f" (did you mean {folded[close[0]]!r}?)" if close else "")
