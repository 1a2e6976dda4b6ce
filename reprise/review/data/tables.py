"""Reads tables of one or more files by DuckDB: the format is known by a file's name, the bytes may lie anywhere."""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from reprise.errors import PipelineError

Files = Mapping[str, Path]  # name of each file within a dep: where its bytes lie
MEMORY = 300  # MB that DuckDB may hold; past it, it spills to disk
MEMORY_OF_COLUMN = (
    3  # MB more for each: a Parquet file's row group is read as a whole, by two threads or more
)
PARQUET = "read_parquet([{paths}], union_by_name = true)"
# Types come from all rows. All of the form is said: DuckDB's guess fits a ragged row by taking it for the header.
CSV = (
    "read_csv([{paths}], union_by_name = true, header = true, skip = 0, quote = '\"', escape = '\"', "
    "sample_size = -1, delim = {delimiter}, compression = {compression})"
)
FORMATS = {
    ".parquet": PARQUET,
    ".csv": CSV,
    ".csv.gz": CSV,
    ".tsv": CSV,
    ".jsonl": "read_json([{paths}], union_by_name = true, sample_size = -1, format = 'newline_delimited')",
}


def is_table(names: Iterable[str]) -> bool:
    """Whether all data files have one table format, by their names; .gitignore and the like are no data."""
    data = _data(names)
    return len({_ending(name) for name in data}) == 1 and all(map(_ending, data))


def _data(names: Iterable[str]) -> list[str]:
    return [name for name in sorted(names) if not Path(name).name.startswith(".")]


def _ending(name: str) -> str | None:
    return next((ending for ending in FORMATS if name.endswith(ending)), None)


def read(files: Files, name: str, columns: Sequence[str]) -> pa.Table:
    """Those of the columns that are there. PipelineError names the table as the user does."""
    with opened() as con:
        there = view(con, "data", files, name)
        wanted = ", ".join(identifier(c) for c in columns if c in there)
        with readable(name):
            return con.execute(f"SELECT {wanted or '1'} FROM data").to_arrow_table()


@contextmanager
def opened() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills to a folder of its own."""
    with TemporaryDirectory(prefix="reprise-") as folder, duckdb.connect() as con:
        con.execute(f"SET memory_limit = '{MEMORY}MB'; SET temp_directory = {literal(folder)}")
        yield con


def view(con: duckdb.DuckDBPyConnection, title: str, files: Files, name: str) -> dict[str, str]:
    """Makes the table known to the connection by that title; its columns and their types.

    TITLE_numbered has `file_row_number` too. What is no Parquet is parsed once, into Parquet in the connection's own
    folder. `name`: of the table, for errors.
    """
    if not is_table(files):
        raise PipelineError(
            f"{name}: found {_data(files)[:3]}; expected files of one format: {', '.join(FORMATS)}"
        )
    data = _data(files)
    ending = _ending(data[0])
    assert ending is not None
    for file in data:
        _check(files[file], file if len(data) == 1 else f"{name}: {file}", ending)
    source = _source([files[file] for file in data], ending)
    with readable(name, files):
        if ending != ".parquet":
            folder = con.execute("SELECT current_setting('temp_directory')").fetchall()[0][0]
            parsed = literal(f"{folder}/{title}.parquet")
            con.execute(f"COPY (FROM {source}) TO {parsed} (FORMAT parquet)")
            source = PARQUET.format(paths=parsed)
        con.execute(f"CREATE OR REPLACE VIEW {identifier(title)} AS FROM {source}")
        types = {
            str(row[0]): str(row[1])
            for row in con.execute(f"DESCRIBE {identifier(title)}").fetchall()
        }
        con.execute(f"SET memory_limit = '{MEMORY + MEMORY_OF_COLUMN * len(types)}MB'")
        numbered = (
            source if "file_row_number" in types else f"{source[:-1]}, file_row_number = true)"
        )
        con.execute(f"CREATE OR REPLACE VIEW {identifier(title + '_numbered')} AS FROM {numbered}")
        return types


def _source(paths: Sequence[Path], ending: str) -> str:
    """SQL that reads the files as one table. A path is no pattern: `*`, `?` and `[` stand for themselves."""
    escaped = ", ".join(
        literal(re.sub(r"[*?\[]", lambda found: f"[{found[0]}]", str(path))) for path in paths
    )
    if FORMATS[ending] is not CSV:
        return FORMATS[ending].format(paths=escaped)
    packed = ending.endswith(".gz")
    with gzip.open(paths[0]) if packed else paths[0].open("rb") as file:
        header = file.readline().decode("utf-8", "replace")
    delimiter = "\t" if ending == ".tsv" else max(",;\t|", key=header.count)
    return CSV.format(
        paths=escaped,
        delimiter=literal(delimiter),
        compression=literal("gzip" if packed else "none"),
    )


def _check(path: Path, where: str, ending: str) -> None:
    """PipelineError for what DuckDB would take for a table without saying so: no bytes, and half of a gzip file."""
    if path.stat().st_size == 0:
        raise PipelineError(f"{where}: found an empty file; expected a table")
    if ending.endswith(".gz"):
        try:
            with gzip.open(path) as file:
                while file.read(1 << 20):
                    pass
        except (EOFError, gzip.BadGzipFile, zlib.error) as e:
            raise PipelineError(f"{where}: found {e}; expected a whole gzip file") from None


@contextmanager
def readable(name: str, *sides: Files) -> Iterator[None]:
    """DuckDB's errors as one line, in which files have the user's names and not those of where their bytes lie."""
    try:
        yield
    except duckdb.Error as e:
        lines = [line.strip() for line in str(e).splitlines() if line.strip()]
        said = ". ".join(lines[:3] if "CSV Error" in lines[0] else lines[:1])
        if "Error when sniffing" in said:  # what follows is a list of all that DuckDB tried
            said = "rows that do not fit the header"
        for files in sides:
            for file, path in files.items():
                said = said.replace(str(path), file)
        raise PipelineError(
            f"{name}: found {said[:400]}; expected a table that can be read whole"
        ) from None


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return con.execute(query).fetchall()


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
