"""Find the files that messages, or the commands themselves, name."""

import re
from collections.abc import Iterator

from reprise.sandbox.diagnosis.error_patterns import (
    BARE_NAME,
    PATH_CHARACTERS,
    SHELL_WRITE,
    WORD,
    quoted_words,
)
from reprise.sandbox.diagnosis.failure import Failure
from reprise.sandbox.diagnosis.files import find_files
from reprise.sandbox.diagnosis.missing_modules import missing_modules
from reprise.sandbox.undeclared import Undeclared


def files_in_messages(failure: Failure) -> Iterator[Undeclared]:
    """Yield the files and the Python modules that a message says are absent.

    Such messages are:

        cat: data/in.csv: No such file or directory
        FileNotFoundError: [Errno 2] No such file or directory: 'data/in.csv'
        Error: ENOENT: no such file or directory, open 'bare'
        conf.json is missing
        ModuleNotFoundError: No module named 'helpers.more'
    """
    modules = missing_modules(failure)
    for name in dict.fromkeys(_names(failure)):
        for file in find_files(failure, name):
            # `No module named 'helpers'` names the folder too, but the module is what is needed.
            if not any(module.path.is_relative_to(file.path) for module in modules):
                yield file
    yield from modules


def _names(failure: Failure) -> Iterator[str]:
    """Yield the words of the messages that may name a file.

    `missing 'data'` may speak of a column; `cannot open 'data'` does not. So words without a dot
    or slash count only where the message is of a file.
    """
    words = quoted_words(failure.absence_messages)
    for word in WORD.findall(failure.absence_messages):
        words += [word, *re.split("[:?]", word)]
    for word in filter(PATH_CHARACTERS.search, words):
        yield word.rstrip(".!")
    yield from quoted_words(failure.file_messages)
    yield from BARE_NAME.findall(failure.file_messages)


def files_in_commands(failure: Failure) -> Iterator[Undeclared]:
    """Yield the files that the commands name, but for those that they write.

    They count if a message is of something absent, or if there is no message at all: `test -f`
    prints nothing when it fails.
    """
    if failure.output.strip() and not failure.absence_messages:
        return
    commands = SHELL_WRITE.sub("", failure.commands)
    for word in filter(PATH_CHARACTERS.search, WORD.findall(commands)):
        yield from find_files(failure, word)
