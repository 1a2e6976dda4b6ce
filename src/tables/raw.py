"""Reads raw tables through DuckDB: finds files, types columns, puts DuckDB's errors in one line."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from src.errors import InputError, one_of
from src.tables.sql import ident, text

SUFFIXES = (".parquet", ".csv", ".csv.gz")
MEMORY = "400MB"  # what DuckDB may hold; past it, it spills to disk
Types = Mapping[str, str]  # column: DuckDB's name of its type


def connect(spill: Path, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that keeps the order of rows and spills to the folder."""
    con = duckdb.connect()
    con.execute(f"SET temp_directory = {text(spill)}; SET memory_limit = '{MEMORY}'")
    if threads is not None:
        con.execute(f"SET threads = {threads}")
    con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    return con


@contextmanager
def readable(where: object) -> Iterator[None]:
    """Turn DuckDB's errors about the data into an InputError of one line."""
    try:
        yield
    except duckdb.Error as e:
        raise InputError(where, cause(e)[:400], remedy(e)) from None


SNIFFING = "error when sniffing"  # DuckDB then lists all that it tried
UTF8 = "UTF-8 (`iconv -f latin1 -t utf-8` converts Latin-1)"
# Words of DuckDB's message, and what would have been right.
REMEDIES = (
    ("invalid unicode", UTF8),
    ("not utf-8 encoded", UTF8),
    (SNIFFING, "as many values as columns in every row"),
    ("no space left", "free disk space"),
)


def cause(error: duckdb.Error) -> str:
    """Shorten DuckDB's message to what it found, and where."""
    message = first_lines(error)
    return "rows that don't fit the header" if SNIFFING in message.lower() else message


def remedy(error: duckdb.Error) -> str:
    """Say what would have been right."""
    message = str(error).lower()
    for words, expected in REMEDIES:
        if words in message:
            return expected
    if isinstance(error, duckdb.ConversionException):
        return "values of the column's type"
    return "a table that can be read whole"


def first_lines(error: duckdb.Error) -> str:
    """Join the lines of DuckDB's message that name the error, the column and the row."""
    first, *lines = [line.strip() for line in str(error).strip().splitlines()]
    parts = [first.split(": ", 1)[-1]]  # without the name of the class
    for start in ("Error when conv", "Original Line:"):
        parts += [line for line in lines if line.startswith(start)][:1]
    return ". ".join(filter(None, parts))


def files(raw: Path) -> list[Path]:
    """List every table in the folder, by name.

    Raises InputError if there is none, one is empty or cut off, or they are of two formats.
    """
    found = [raw] if raw.is_file() else sorted(raw.rglob("*"))
    paths = [path for path in found if is_table(path)]
    if not paths:
        raise InputError(raw, "no table", f"files ending in {', '.join(SUFFIXES)}")
    if len({path.suffix == ".parquet" for path in paths}) > 1:
        both = f"{paths[0].name} and {paths[-1].name}"
        raise InputError(raw, both, "either Parquet or CSV files")
    for path in paths:
        check_whole(path)
    return paths


def is_table(path: Path) -> bool:
    """Tell a table by its name; hidden files are none."""
    if path.name.startswith("."):
        return False
    return path.name.endswith(SUFFIXES) and path.is_file()


def check_whole(path: Path) -> None:
    """Raise InputError for an empty or truncated file: of the latter DuckDB reads what there is."""
    if path.stat().st_size == 0:
        raise InputError(path, "an empty file", "a header and rows")
    if path.suffix != ".gz":
        return
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise InputError(path, str(e), "a whole gzip file") from None


def delimiter(path: Path) -> str:
    """Find the delimiter of the header.

    DuckDB's own guess fits a ragged row by taking other lines for the header.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        header = file.readline().decode("utf-8", "replace")
    return max(",;\t|", key=header.count)


NULLS = "['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL']"  # what stands for a missing value in CSV
# No BOOLEAN: `yes` and `no` would come back as `true` and `false`.
CSV_TYPES = "['BIGINT', 'DOUBLE', 'DATE', 'TIMESTAMP', 'VARCHAR']"


def source(paths: list[Path], types: Types) -> str:
    """Write SQL that reads the files as one table.

    Types of CSV columns are inferred from all rows, or as given.
    """
    names = "[" + ", ".join(map(text, paths)) + "]"
    if paths[0].suffix == ".parquet":
        return f"read_parquet({names})"
    given = "{" + ", ".join(f"{text(c)}: {text(t)}" for c, t in types.items()) + "}"
    options = f", types = {given}" if types else ""
    inference = f"sample_size = -1, auto_type_candidates = {CSV_TYPES}, nullstr = {NULLS}"
    form = f"skip = 0, delim = {text(delimiter(paths[0]))}, quote = '\"', escape = '\"'"
    return f"read_csv({names}, header = true, {form}, union_by_name = true, {inference}{options})"


def columns(con: duckdb.DuckDBPyConnection, paths: list[Path], types: Types) -> dict[str, str]:
    """Type the columns of all files together, by the given types where there are any.

    Raises InputError when a file can't be read, lacks columns that another has, or has other types.
    """
    first, *others = paths
    merged = describe(con, first)
    # Columns without a value so far; with one file it does not matter which these are.
    valueless = empty_columns(con, first, merged) if others else set()
    for path in others:
        found = describe(con, path)
        check_columns(first, merged, path, found)
        empty = empty_columns(con, path, found)
        for name in merged:
            if name in valueless and name not in empty:
                merged[name] = found[name]
            elif name not in empty:
                merged[name] = wider(merged[name], found[name])
        valueless &= empty
    for name in types:
        if name not in merged:
            found_none = f"no column {name!r}"
            raise InputError("params.yaml: prepare.types", found_none, one_of(merged, name))
    return {**merged, **types}


def describe(con: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Read the names and types of one file's columns."""
    with readable(path):
        rows = con.execute(f"DESCRIBE SELECT * FROM {source([path], {})}").fetchall()
    return {str(name): str(type_) for name, type_, *_ in rows}


def empty_columns(con: duckdb.DuckDBPyConnection, path: Path, types: Types) -> set[str]:
    """Find the columns of a CSV file that hold no value at all, whose type is thus unknown."""
    if path.suffix == ".parquet":
        return set()
    texts = [name for name, type_ in types.items() if type_ == "VARCHAR"]
    if not texts:
        return set()
    counts = ", ".join(f"count({ident(name)})" for name in texts)
    with readable(path):
        row = con.execute(f"SELECT {counts} FROM {source([path], {})}").fetchone()
    assert row is not None
    return {name for name, count in zip(texts, row, strict=True) if count == 0}


def check_columns(first: Path, types: Types, path: Path, found: Types) -> None:
    """Raise InputError where a file has other columns than the first, or Parquet other types."""
    for name in [*types, *found]:
        if name not in found:
            raise InputError(path, f"no column {name!r}", f"the columns of {first.name}")
        if name not in types:
            raise InputError(first, f"no column {name!r}", f"the columns of {path.name}")
        if path.suffix == ".parquet" and found[name] != types[name]:
            other = f"column {name!r} of type {found[name]}"
            raise InputError(path, other, f"{types[name]}, as in {first.name}")


def wider(one: str, other: str) -> str:
    """Choose the type of a CSV column that two files have: `1` and `1.5` are both numbers."""
    if one == other:
        return one
    return "DOUBLE" if {one, other} == {"BIGINT", "DOUBLE"} else "VARCHAR"
