"""Reads tables of one or more files by DuckDB.

The format is known by a file's name; its bytes may lie anywhere.
"""

import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from reprise.errors import PipelineError
from reprise.review.data.database import (
    Files,
    allow_columns,
    fetch_rows,
    fetch_table,
    identifier,
    literal,
    open_database,
    readable_errors,
)

PARQUET = "read_parquet([{paths}], union_by_name = true)"
# Types come from all rows. The whole form is given: DuckDB's guess fits a ragged row by taking it
# for the header.
CSV = (
    "read_csv([{paths}], union_by_name = true, header = true, skip = 0, quote = '\"', "
    "escape = '\"', sample_size = -1, delim = {delimiter}, compression = {compression})"
)
JSON_LINES = (
    "read_json([{paths}], union_by_name = true, sample_size = -1, format = 'newline_delimited')"
)
FORMATS = {
    ".parquet": PARQUET,
    ".csv": CSV,
    ".csv.gz": CSV,
    ".tsv": CSV,
    ".jsonl": JSON_LINES,
}
BOOLEANS = "('true', 'false')"
GZIP_CHUNK = 1 << 20  # bytes


def is_table(names: Iterable[str]) -> bool:
    """Tell by their names whether all data files have one table format.

    .gitignore and the like are no data.
    """
    endings = {_ending(name) for name in _data_files(names)}
    return len(endings) == 1 and None not in endings


def _data_files(names: Iterable[str]) -> list[str]:
    return [name for name in sorted(names) if not Path(name).name.startswith(".")]


def _ending(name: str) -> str | None:
    """Return the ending that tells the file's format, a key of FORMATS; None if there is none."""
    for ending in FORMATS:
        if name.endswith(ending):
            return ending
    return None


def read_table(
    files: Files, name: str, columns: Sequence[str], numbers: Collection[str] = ()
) -> pa.Table:
    """Read those of the columns that the table has; `x_*` is the largest of those that begin so.

    name: of the table, as the user knows it; numbers: columns in which yes and no, t and f of a CSV
    are true and false, as DuckDB takes them, and no words. Raises PipelineError for what can't be
    read.
    """
    with open_database() as con:
        types = create_view(con, "data", files, name, numbers)
        present = ", ".join(_expressions(columns, list(types)))
        with readable_errors(name):
            return fetch_table(con, f"SELECT {present or '1'} FROM data")


def _expressions(columns: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """Yield the columns that are known, in SQL."""
    for column in columns:
        if column in known:
            yield identifier(column)
        elif column.endswith("*"):
            begun = [identifier(name) for name in known if name.startswith(column[:-1])]
            if begun:
                yield f"greatest({', '.join(begun)}) AS {identifier(column)}"


def create_view(
    con: duckdb.DuckDBPyConnection,
    title: str,
    files: Files,
    name: str,
    numbers: Collection[str] = (),
) -> dict[str, str]:
    """Make the table known to the connection as the view `title`; return the type of each column.

    The view TITLE_numbered has the column `file_row_number` too. What is not Parquet is parsed
    once, into Parquet in the connection's own folder. name: of the table, for errors; numbers: as
    of `read_table`. Raises PipelineError for files that are no table, or can't be read.
    """
    source, is_parquet = _source(files, name)
    with readable_errors(name, files):
        if not is_parquet:
            source = _convert_to_parquet(con, title, source, numbers)
        con.execute(f"CREATE OR REPLACE VIEW {identifier(title)} AS FROM {source}")
        described = fetch_rows(con, f"DESCRIBE {identifier(title)}")
        types = {str(row[0]): str(row[1]) for row in described}
        allow_columns(con, len(types))
        numbered = source
        if "file_row_number" not in types:
            numbered = f"{source.removesuffix(')')}, file_row_number = true)"
        con.execute(f"CREATE OR REPLACE VIEW {identifier(title + '_numbered')} AS FROM {numbered}")
    return types


def _source(files: Files, name: str) -> tuple[str, bool]:
    """Return SQL that reads the files as one table, and whether they are Parquet."""
    data = _data_files(files)
    if not is_table(files):
        raise PipelineError(
            f"{name}: found {data[:3]}; expected files of one format: {', '.join(FORMATS)}"
        )
    ending = _ending(data[0])
    assert ending is not None
    quoted = []
    for file in data:
        where = file
        if len(data) != 1:
            where = f"{name}: {file}"
        _check_bytes(files[file], where, ending)
        quoted.append(literal(_escape_pattern(files[file])))
    paths = ", ".join(quoted)
    if FORMATS[ending] is CSV:
        return _csv_source(files[data[0]], paths, ending), False
    return FORMATS[ending].format(paths=paths), ending == ".parquet"


def _escape_pattern(path: Path) -> str:
    """Let `*`, `?` and `[` in a path stand for themselves: DuckDB takes paths for patterns."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def _csv_source(first: Path, paths: str, ending: str) -> str:
    """Return SQL that reads the CSV files. paths: of all of them, in SQL.

    The delimiter is the one that is commonest in the header of the first.
    """
    compression = "none"
    if ending.endswith(".gz"):
        compression = "gzip"
    delimiter = "\t"
    if ending != ".tsv":
        header = _first_line(first, compression)
        delimiter = max(",;\t|", key=header.count)
    return CSV.format(paths=paths, delimiter=literal(delimiter), compression=literal(compression))


def _first_line(path: Path, compression: str) -> str:
    """Read the header of a CSV file, with what is no UTF-8 replaced."""
    with gzip.open(path) if compression == "gzip" else path.open("rb") as file:
        return file.readline().decode("utf-8", "replace")


def _check_bytes(path: Path, where: str, ending: str) -> None:
    """Raise PipelineError for no bytes, and for half a gzip file.

    DuckDB would take either for a table in silence.
    """
    if path.stat().st_size == 0:
        raise PipelineError(f"{where}: found an empty file; expected a table")
    if not ending.endswith(".gz"):
        return
    try:
        with gzip.open(path) as file:
            while file.read(GZIP_CHUNK):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise PipelineError(f"{where}: found {e}; expected a whole gzip file") from None


def _convert_to_parquet(
    con: duckdb.DuckDBPyConnection, title: str, source: str, numbers: Collection[str]
) -> str:
    """Parse the source into the connection's folder; return SQL that reads the Parquet file."""
    folder = fetch_rows(con, "SELECT current_setting('temp_directory')")[0][0]
    parquet = literal(f"{folder}/{title}.parquet")
    con.execute(f"COPY (FROM {source}) TO {parquet} (FORMAT parquet)")
    converted = PARQUET.format(paths=parquet)
    if source.startswith("read_csv"):
        words = [word for word in _other_words(con, source, converted) if word not in numbers]
        if words:
            con.execute(f"COPY (FROM {_as_text(source, words)}) TO {parquet} (FORMAT parquet)")
    return converted


def _other_words(con: duckdb.DuckDBPyConnection, source: str, converted: str) -> list[str]:
    """Name the columns of words that DuckDB takes for true and false: yes and no, t and f."""
    described = fetch_rows(con, f"DESCRIBE FROM {converted}")
    booleans = [str(row[0]) for row in described if row[1] == "BOOLEAN"]
    if not booleans:
        return []
    tests = [f"bool_and(lower({identifier(name)}) IN {BOOLEANS})" for name in booleans]
    text = _as_text(source, booleans)
    (answers,) = fetch_rows(con, f"SELECT {', '.join(tests)} FROM {text}")
    return [name for name, answer in zip(booleans, answers, strict=True) if answer is False]


def _as_text(source: str, columns: Sequence[str]) -> str:
    """Return SQL that reads the CSV source with these columns as they are written."""
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in columns)
    return f"{source.removesuffix(')')}, types = {{{types}}})"
