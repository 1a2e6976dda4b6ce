"""Opens DuckDB, and puts its errors in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from src.errors import InputError
from src.tables.sql import text

MEMORY = "400MB"  # what DuckDB may hold; past it, it spills to disk
Connection = duckdb.DuckDBPyConnection


def connect(spill: Path, threads: int | None = None) -> Connection:
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


# Words of DuckDB's or Arrow's message, and what would have been right.
REMEDIES = (
    ("no space left", "free disk space"),
    ("straddling object", "rows of at most 1 MiB"),
    ("parquet", "a whole Parquet file: fetch or write it again"),
)


def cause(error: duckdb.Error) -> str:
    """Shorten DuckDB's message to its first line, without the class's name and a row's content."""
    first = str(error).strip().splitlines()[0]
    return re.sub(r"(columns, got \d+):.*", r"\1", first.split(": ", 1)[-1])


def remedy(error: duckdb.Error) -> str:
    """Say what would have been right."""
    message = str(error).lower()
    for words, expected in REMEDIES:
        if words in message:
            return expected
    return "a table that can be read whole"
