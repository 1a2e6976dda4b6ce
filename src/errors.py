"""Defines the errors that a user can cause, and the words of their messages."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(Exception):
    """Reports bad input in one line: where it is, what was found there, what was expected."""

    def __init__(self, where: object, found: str, expected: str) -> None:
        super().__init__(" ".join(f"{where}: found {found}; expected {expected}".split()))


class OwnCodeError(Exception):
    """Reports an error inside a class of the user's own: one line, then its traceback."""

    def __init__(self, where: str, name: str, cause: Exception | SystemExit) -> None:
        super().__init__(f"{where}: {name} raised {type(cause).__name__}; its traceback:")
        self.cause = cause


# Of torch, which has no class of its own for what the CPU's memory does not hold; CUDA's and MPS's
# say "CUDA out of memory".
OUT_OF_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "size calculation overflowed",
    "std::bad_alloc",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether the error says that the memory is full."""
    if isinstance(error, RuntimeError):
        return any(text in str(error) for text in OUT_OF_MEMORY)
    return isinstance(error, MemoryError)


@contextmanager
def in_memory(where: object, rows: int, columns: int, smaller: str) -> Iterator[None]:
    """Turn a full memory into InputError, which says what was to fit into it.

    columns: encoded ones; smaller: what needs less memory when it is made smaller.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as e:
        if not is_out_of_memory(e):
            raise
        found = f"{rows} rows x {columns} columns, too much for the memory"
        raise InputError(where, found, f"{smaller}, or more memory") from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error of torch's, which may write pages."""
    return str(error).partition("\n")[0][:200]


def shown(value: object) -> str:
    """Write the value as it reads in an error message, cut to one short line."""
    text = " ".join(repr(value).split())
    if len(text) > 60:
        text = f"{text[:57]}..."
    return text


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
