"""Writes names, values and columns in DuckDB's SQL, by the name that DuckDB has for their type."""

import re
from pathlib import Path

from src.errors import InputError

INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
FLOATS = ("FLOAT", "DOUBLE", "DECIMAL", "HUGEINT", "UHUGEINT")
TIMES = ("DATE", "TIMESTAMP")
TEXTS = ("VARCHAR", "ENUM", "UUID")


def ident(name: str) -> str:
    """Quote a column name."""
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    """Quote a text literal."""
    return "'" + str(value).replace("'", "''") + "'"


# In a path with a `*`, `?` or `[`, DuckDB takes all of these for parts of a pattern. A class of one
# character stands for itself; DuckDB splits at a backslash even in one, unless a range hides it.
PATTERN = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]", "\\": "[[-]]"})


def file(path: Path) -> str:
    """Quote a path so that DuckDB reads this one file, whatever its name."""
    name = str(path)
    if re.search(r"[*?\[]", name):
        name = name.translate(PATTERN)
    return text(name)


def parquet(*paths: Path) -> str:
    """Write SQL that reads Parquet files of one schema; names such as `k=1` add no column."""
    return f"read_parquet([{', '.join(map(file, paths))}], hive_partitioning = false)"


def is_a(type_: str, names: tuple[str, ...]) -> bool:
    """Compare a type, such as `DECIMAL(9,2)` or `TIMESTAMP WITH TIME ZONE`, with those named."""
    name = type_.split("(")[0].split(" ")[0]
    return re.sub("_(S|MS|NS)$", "", name) in names


def typed(name: str, type_: str) -> str:
    """Write the column as it is stored: numbers, seconds since 1970 for times, or text.

    NaN and infinity become missing, for no mean or loss survives them. Raises InputError for a type
    that is none of these.
    """
    column = ident(name)
    if type_ in INTEGERS:
        return column
    if type_ == "BOOLEAN":
        return f"CAST({column} AS UTINYINT)"
    if is_a(type_, TIMES):
        return f"CAST(epoch({column}) AS DOUBLE)"
    if is_a(type_, FLOATS):
        number = "FLOAT" if type_ == "FLOAT" else "DOUBLE"
        return f"CASE WHEN isfinite(CAST({column} AS {number})) THEN CAST({column} AS {number}) END"
    if is_a(type_, TEXTS):
        return f"CAST({column} AS VARCHAR)"
    expected = "numbers, text or times; else list it in prepare.drop"
    raise InputError(f"column {name!r}", f"type {type_}", expected)


def time(name: str, type_: str) -> str:
    """Write the column of seconds since 1970 as a date, or as a timestamp in UTC."""
    timestamp = f"make_timestamp(CAST({ident(name)} * 1e6 AS BIGINT))"
    if type_ == "DATE":
        return f"CAST({timestamp} AS DATE)"
    return timestamp


def as_text(name: str, type_: str) -> str:
    """Write the column as text, a whole number the same as an integer and as a float."""
    column = ident(name)
    if not is_a(type_, FLOATS):
        return f"CAST({column} AS VARCHAR)"
    whole = f"{column} = trunc({column}) AND abs({column}) < 1e15"
    integer = f"CAST(CAST({column} AS BIGINT) AS VARCHAR)"
    return f"CASE WHEN {whole} THEN {integer} ELSE CAST({column} AS VARCHAR) END"
