"""Find the files that the code which failed reads, as far as it spells them out."""

import ast
import os
import re
from collections.abc import Iterator

from reprise.sandbox.diagnosis.error_patterns import PATH_CHARACTERS
from reprise.sandbox.diagnosis.failure import Failure
from reprise.sandbox.diagnosis.files import find_files, is_pattern
from reprise.sandbox.undeclared import Undeclared

READING_FUNCTION = re.compile(
    "(Path|exists|glob|iglob|isdir|isfile|listdir|open|read|scandir|walk)$|read_"
)
WRITING_FUNCTION = re.compile("to_|save|dump|write|mkdir|makedirs|unlink|remove")
WRITING_MODE = re.compile("[wax]")  # of `open`


def files_in_code(failure: Failure) -> Iterator[Undeclared]:
    """Yield the files that the failed code reads: it may go on without one for a while.

    So do these, which fail on their last line with a message that names no file:

        files = sorted(Path("parts").glob("*.csv"))
        print(max(files))

    Without a traceback nobody knows which code failed, and an assertion that fails says that a
    value is wrong. Both count only beside a message of something absent.
    """
    absent = bool(failure.absence_messages)
    last_line = failure.last_lines.rpartition("\n")[2]
    if not absent and ("AssertionError" in last_line or not failure.frames):
        return
    paths = []
    for code in failure.code:
        paths += paths_read(code, all_strings=absent)
    candidates = [failure.stage.wdir / path for path in paths]
    folders = list(filter(os.path.isdir, candidates))
    for path in paths:
        more_folders = folders
        if not is_pattern(path):
            more_folders = []
        yield from find_files(failure, path, more_folders)


def paths_read(code: str, *, all_strings: bool) -> list[str]:
    """List the strings in Python code that functions take for paths to read.

    A string that the code also writes to does not count. Code that is not Python has none.

    all_strings: whether other strings with a `.` or `/` in them count too.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return []
    read = []
    written = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call():
                function = ast.unparse(node.func).rpartition(".")[2]
                strings = _string_arguments(node)
                if _writes(function, strings):
                    written.update(strings)
                elif READING_FUNCTION.match(function):
                    read += strings
            case ast.Constant(value=str(text)) if all_strings and PATH_CHARACTERS.search(text):
                read.append(text)
    return [path for path in dict.fromkeys(read) if path not in written]


def _string_arguments(call: ast.Call) -> list[str]:
    strings = []
    for argument in call.args:
        match argument:
            case ast.Constant(value=str(text)):
                strings.append(text)
    return strings


def _writes(function: str, strings: list[str]) -> bool:
    if function == "open":
        modes = strings[1:2]
        return any(map(WRITING_MODE.match, modes))
    return WRITING_FUNCTION.match(function) is not None
