"""Cut a TOML params file.

The text itself is cut: order, comments and notation stay. Only inline tables of which a part is
declared are written anew, from their own entries.
"""

import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reprise.params.keys import Coverage, KeyPath, coverage

TOKEN = re.compile(
    r'''"""(?:[^\\]|\\.)*?""""{0,2}|\'\'\'.*?\'\'\'\'{0,2}'''
    r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[\[\]{},=\n]|[^"'#\[\]{},=\n]+""",
    re.DOTALL,
)
BLANK = re.compile(r"\s*(?:#.*)?")
STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}  # of the depth


@dataclass(frozen=True)
class _Statement:
    """Holds a table's header, or an entry.

    start: index of its line; key: its own, without the table's; is_array: `[[key]]`; value: where
    an entry's value starts and ends, None for a header.
    """

    start: int
    key: KeyPath
    is_array: bool
    value: slice | None


def cut_toml(text: str, keys: Sequence[str]) -> str:
    """Return the text with the declared keys only. Raises ValueError for what is no TOML."""
    tomllib.loads(text)
    statements = list(_statements(text))
    starts = [*(statement.start for statement in statements), len(text)]
    return text[: starts[0]] + _Cutter(text, keys).cut(statements, starts[1:])


class _Cutter:
    """Cuts statements out of a text. Comments and empty lines go with the statement before."""

    def __init__(self, text: str, keys: Sequence[str]) -> None:
        self._text = text
        self._keys = keys
        self._arrays: set[KeyPath] = set()  # of tables; they are declared as a whole

    def cut(self, statements: Sequence[_Statement], ends: Sequence[int]) -> str:
        """Return the lines of what is declared, and of the headers above it.

        ends: where the lines of each statement end.
        """
        lines = []
        table: KeyPath = ()
        header = ""  # to be written before the table's first entry
        for statement, end in zip(statements, ends, strict=True):
            if statement.value is not None:
                cut = self._value(self._text[statement.value], (*table, *statement.key))
                if cut:
                    before = self._text[statement.start : statement.value.start]
                    after = self._text[statement.value.stop : end]
                    lines += [header, before, cut, after]
                    header = ""
                continue
            table = statement.key
            if statement.is_array:
                self._arrays.add(table)
            header = self._text[statement.start : end]
            if self._coverage(table) is Coverage.WHOLE:
                lines.append(header)
                header = ""
        return "".join(lines)

    def _value(self, value: str, path: KeyPath) -> str:
        """Return what is declared of a value; empty where nothing is."""
        covered = self._coverage(path)
        if covered is Coverage.NONE:
            return ""
        if covered is Coverage.WHOLE or not value.startswith("{"):
            return value
        entries = []
        for key, inner in _split(value[1:-1]):
            cut = self._value(inner.strip(), (*path, *_parse_key(key)))
            if cut:
                entries.append(f"{key.strip()} = {cut}")
        if not entries:
            return ""
        return "{ " + ", ".join(entries) + " }"

    def _coverage(self, path: KeyPath) -> Coverage:
        for length in range(1, len(path) + 1):
            table = path[:length]
            if table not in self._arrays:
                continue
            if coverage(table, self._keys) is Coverage.NONE:
                return Coverage.NONE
            return Coverage.WHOLE
        return coverage(path, self._keys)


def _statements(text: str) -> Iterator[_Statement]:
    for line in _logical_lines(text):
        tokens = [token for token in line if not BLANK.fullmatch(token.group())]
        if not tokens:
            continue
        start = line[0].start()
        if tokens[0].group() == "[":
            header = text[tokens[0].start() : tokens[-1].end()]
            name = header.strip("[]")
            yield _Statement(start, _parse_key(name), header.startswith("[["), None)
        else:
            equals = _equals(tokens)
            value = tokens[tokens.index(equals) + 1]
            first = value.start() + len(value.group()) - len(value.group().lstrip())
            last = tokens[-1].start() + len(tokens[-1].group().rstrip())
            key = _parse_key(text[start : equals.start()])
            yield _Statement(start, key, is_array=False, value=slice(first, last))


def _logical_lines(text: str) -> Iterator[list[re.Match[str]]]:
    """Yield the tokens of each line; of several lines where an array or a text goes over them."""
    line = []
    for token, depth in _tokens(text):
        line.append(token)
        if token.group() == "\n" and depth == 0:
            yield line
            line = []
    yield line  # the last may lack its line end, or be empty


def _tokens(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Yield each token, and in how many brackets it stands."""
    depth = 0
    for token in TOKEN.finditer(text):
        depth += STEPS.get(token.group(), 0)
        yield token, depth


def _split(entries: str) -> Iterator[tuple[str, str]]:
    """Yield key and value of each entry of an inline table."""
    starts = [0]
    for token, depth in _tokens(entries):
        if token.group() == "," and depth == 0:
            starts.append(token.end())
    for start, end in itertools.pairwise([*starts, len(entries) + 1]):
        entry = entries[start : end - 1]
        if entry.strip():
            equals = _equals(TOKEN.finditer(entry))
            yield entry[: equals.start()], entry[equals.end() :]


def _equals(tokens: Iterable[re.Match[str]]) -> re.Match[str]:
    """Find what stands between key and value."""
    return next(token for token in tokens if token.group() == "=")


def _parse_key(key: str) -> KeyPath:
    """Read a key, whose parts may be quoted, between dots."""
    path = []
    table = tomllib.loads(f"{key.strip()} = true")
    while isinstance(table, dict):
        ((part, table),) = table.items()
        path.append(part)
    return tuple(path)
