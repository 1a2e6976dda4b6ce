"""Opens DuckDB, quotes SQL, and tells DuckDB's errors in the user's words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from reprise.errors import PipelineError

Files = Mapping[str, Path]  # name of each file within a dep: where its bytes lie
MEMORY = 300  # MB that DuckDB may hold; past it, it spills to disk
# MB more for each column: a Parquet file's row group is read as a whole, by two threads or more.
MEMORY_OF_COLUMN = 3
ERROR_LENGTH = 400  # characters of DuckDB's message


@contextmanager
def open_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that spills to a folder of its own."""
    with TemporaryDirectory(prefix="reprise-") as folder, duckdb.connect() as con:
        con.execute(f"SET memory_limit = '{MEMORY}MB'; SET temp_directory = {literal(folder)}")
        yield con


def allow_columns(con: duckdb.DuckDBPyConnection, columns: int) -> None:
    """Raise the memory limit for a table of so many columns."""
    con.execute(f"SET memory_limit = '{MEMORY + MEMORY_OF_COLUMN * columns}MB'")


def fetch_rows(con: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    """Run the query and return its rows, as tuples."""
    return con.execute(query).fetchall()


def fetch_table(con: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """Run the query and return its rows, as an Arrow table.

    They come batch by batch: for a moment `to_arrow_table` of DuckDB 1.5 holds all of them twice.
    """
    try:
        return con.sql(query).to_arrow_reader().read_all()
    except OSError as e:
        if e.errno is not None:
            raise
        raise duckdb.Error(str(e)) from None  # Arrow has it from DuckDB, in a stream


def literal(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Quote the name of a column or view for SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def readable_errors(name: str, *sides: Files) -> Iterator[None]:
    """Turn DuckDB's errors into PipelineErrors of one line.

    name: of the table, as the user knows it; sides: the files read, whose user-given names replace
    the paths where their bytes lie.
    """
    try:
        yield
    except duckdb.Error as e:
        message = _first_lines(str(e))
        for files in sides:
            for file, path in files.items():
                message = message.replace(str(path), file)
        message = message[:ERROR_LENGTH]
        raise PipelineError(
            f"{name}: found {message}; expected a table that can be read whole"
        ) from None


def _first_lines(text: str) -> str:
    """Return the lines of DuckDB's message that say what is wrong, without its advice."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    count = 1
    if "CSV Error" in lines[0]:
        count = 3
    message = ". ".join(lines[:count])
    if "Error when sniffing" in message:  # what follows is a list of all that DuckDB tried
        return "rows that do not fit the header"
    return message
