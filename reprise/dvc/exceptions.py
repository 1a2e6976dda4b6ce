"""Makes one line of what DVC raises. The only place where every Exception is caught.

Its warnings are shown here too.
"""

import logging
import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dulwich.file import FileLocked
from dvc.exceptions import DvcException

import reprise
from reprise.errors import PipelineError

DVC_ERRORS = (DvcException, OSError, UnicodeError, FileLocked)
LOGGERS = ("dvc", "dvc_data", "dvc_objects")
EXHAUSTED = {  # wherever they are raised
    MemoryError: "out of memory",
    RecursionError: "found values nested too deeply",
}
DEBUG = "REPRISE_DEBUG"  # the variable that has tracebacks printed
OWN_FILES = f"{Path(reprise.__file__).parent}{os.sep}"
# DVC's words for a date, wherever it reads one.
DATE = re.compile("(Unsupported value|Object) of type '?(date|datetime|time)'? ")
# Its words for keys of a mapping that are not text, or text and numbers.
KEYS = re.compile("'<' not supported between instances|keys must be str")


@contextmanager
def dvc_boundary(where: str = "") -> Iterator[None]:
    """Raise PipelineError for whatever DVC raises inside.

    DVC checks little of what it reads: a date among params, a damaged object of the cache or a key
    of another type raises TypeError, KeyError and more, anywhere in its code and its libraries. So
    every error counts that was raised outside of our own files. One of ours is a fault of ours,
    and goes on with its traceback.

    where: what begins the message.
    """
    try:
        yield
    except (PipelineError, BrokenPipeError):  # a pipe is what we print to, not what DVC reads
        raise
    except Exception as error:
        if not _is_for_user(error):
            raise
        if os.environ.get(DEBUG):
            traceback.print_exception(error)
        start = ""
        if where:
            start = f"{where}: "
        raise PipelineError(f"{start}{describe_error(error)}") from None


def describe_error(error: BaseException) -> str:
    """Say in one line what an error means that DVC raised."""
    for kind, words in EXHAUSTED.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError) and isinstance(error.filename, str):  # not a descriptor
        return f"{error.filename}: {error.strerror}"
    is_meant = isinstance(error, DVC_ERRORS)
    if type(error).__module__ == "builtins" and not is_meant:
        return _describe_unforeseen(error)
    if error.__cause__:
        return f"{error}: {error.__cause__}"
    return str(error) or type(error).__name__


def _is_for_user(error: Exception) -> bool:
    """Tell whether a user can have caused the error, as far as its kind and place tell."""
    if isinstance(error, (*DVC_ERRORS, *EXHAUSTED)):
        return True
    file, _ = _raised_at(error)
    return not file.startswith(OWN_FILES)


def _describe_unforeseen(error: BaseException) -> str:
    """Describe an error that DVC did not mean to raise, with its place in DVC's code."""
    if DATE.search(str(error)):
        return f"found a value that DVC can't record ({error}); expected a date to be in quotes"
    if KEYS.search(str(error)):
        return f"found a mapping with odd keys ({error}); expected all of them to be text"
    file, line = _raised_at(error)
    short = "/".join(Path(file).parts[-3:])
    place = f"{short}, line {line}; {DEBUG}=1 shows the traceback"
    return f"DVC ran into {type(error).__name__}: {error} ({place})"


def _raised_at(error: BaseException) -> tuple[str, int]:
    """Return file and line of the code that raised the error."""
    frames = list(traceback.walk_tb(error.__traceback__))
    if not frames:
        return "", 0
    frame, line = frames[-1]
    return frame.f_code.co_filename, line


@contextmanager
def showing_warnings(show: Callable[[str], None]) -> Iterator[None]:
    """Hand each warning that DVC logs to `show`, once, until the context ends.

    What else it logs is dropped: its errors come as exceptions too.
    """
    handler = _Warnings(show)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
        logger.handlers = [handler]
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, handlers, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.handlers = handlers
            logger.propagate = propagate


class _Warnings(logging.Handler):
    """Shows what is logged as a warning, neither less nor more."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno == logging.WARNING and text not in self._shown:
            self._shown.add(text)
            self._show(text)
