"""Raw tables through DuckDB: finding files, typed columns, and DuckDB's errors in one line."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from src.errors import InputError, one_of

SUFFIXES = (".parquet", ".csv", ".csv.gz")
MEMORY = "400MB"  # what DuckDB may hold; past it, it spills to disk

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
    """A column name, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    """A text literal, quoted for SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def connect(spill: Path, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that keeps the order of rows and spills to the folder."""
    con = duckdb.connect()
    con.execute(f"SET temp_directory = {text(spill)}; SET memory_limit = '{MEMORY}'")
    if threads is not None:
        con.execute(f"SET threads = {threads}")
    con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    return con


@contextmanager
def readable(where: object) -> Iterator[None]:
    """Turns DuckDB's errors about the data into an InputError of one line."""
    try:
        yield
    except duckdb.Error as e:
        lines = [line.strip() for line in str(e).splitlines() if line.strip()]
        more = [
            next((line for line in lines if line.startswith(s)), "")
            for s in ("Error when conv", "Original Line:")
        ]
        found, hint = (
            ". ".join(filter(None, [lines[0].split(": ", 1)[-1], *more])),
            "a table that can be read whole",
        )
        if isinstance(e, duckdb.ConversionException):
            hint = "values of the column's type"
        if isinstance(e, duckdb.IOException) and "no space left" in str(e).lower():
            hint = "free disk space"
        if "error when sniffing" in found.lower():  # DuckDB then lists all that it tried
            found, hint = "rows that don't fit the header", "as many values as columns in every row"
        if "invalid unicode" in str(e).lower() or "not utf-8 encoded" in str(e).lower():
            hint = "UTF-8 (`iconv -f latin1 -t utf-8` converts Latin-1)"
        raise InputError(where, found[:400], hint) from None


def files(raw: Path) -> list[Path]:
    """Every table in the folder, by name; InputError if there is none, or of more than one format."""
    paths = [raw] if raw.is_file() else sorted(raw.rglob("*"))
    found = [
        p for p in paths if p.is_file() and p.name.endswith(SUFFIXES) and not p.name.startswith(".")
    ]
    if not found:
        raise InputError(raw, "no table", f"files ending in {', '.join(SUFFIXES)}")
    if len({p.suffix == ".parquet" for p in found}) > 1:
        raise InputError(
            raw, f"{found[0].name} and {found[-1].name}", "either Parquet or CSV files"
        )
    for path in found:
        if path.stat().st_size == 0:
            raise InputError(path, "an empty file", "a header and rows")
        if path.suffix == ".gz":
            _check_gzip(path)
    return found


def _check_gzip(path: Path) -> None:
    """InputError unless the file is whole: DuckDB reads what there is of a truncated one and says nothing."""
    try:
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise InputError(path, str(e), "a whole gzip file") from None


def _delimiter(path: Path) -> str:
    """The delimiter of the header. DuckDB's own guess fits a ragged row by taking other lines for the header."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        header = file.readline().decode("utf-8", "replace")
    return max(",;\t|", key=header.count)


def source(paths: list[Path], types: Mapping[str, str]) -> str:
    """SQL that reads the files as one table. CSV types are inferred from all rows, or as given."""
    names = "[" + ", ".join(map(text, paths)) + "]"
    if paths[0].suffix == ".parquet":
        return f"read_parquet({names})"
    given = "{" + ", ".join(f"{text(c)}: {text(t)}" for c, t in types.items()) + "}"
    options = f", types = {given}" if types else ""
    inference = f"sample_size = -1, auto_type_candidates = {CSV_TYPES}, nullstr = {NULLS}"
    form = f"skip = 0, delim = {text(_delimiter(paths[0]))}, quote = '\"', escape = '\"'"
    return f"read_csv({names}, header = true, {form}, union_by_name = true, {inference}{options})"


NULLS = "['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL']"  # what stands for a missing value in CSV
# No BOOLEAN: `yes` and `no` would come back as `true` and `false`.
CSV_TYPES = "['BIGINT', 'DOUBLE', 'DATE', 'TIMESTAMP', 'VARCHAR']"


def columns(
    con: duckdb.DuckDBPyConnection, paths: list[Path], types: Mapping[str, str]
) -> dict[str, str]:
    """Column names and DuckDB types, the given types in place of the stored or inferred ones.

    Raises InputError when a file can't be read, lacks columns that another has, or has other types.
    """
    seen: dict[str, str] = {}
    unknown: set[str] = set()  # columns without a value so far
    for path in paths:
        with readable(path):
            rows = con.execute(f"DESCRIBE SELECT * FROM {source([path], {})}").fetchall()
            found = {str(name): str(type_) for name, type_, *_ in rows}
            texts = [n for n, t in found.items() if t == "VARCHAR" and path.suffix != ".parquet"]
            empty = _empty(con, path, texts) if texts and len(paths) > 1 else set()
        if not seen:
            seen, unknown = found, empty
        for name in [*seen, *found]:
            if name not in found or name not in seen:
                where, has = (path, paths[0]) if name not in found else (paths[0], path)
                raise InputError(where, f"no column {name!r}", f"the columns of {has.name}")
            if path.suffix == ".parquet" and found[name] != seen[name]:
                raise InputError(
                    path,
                    f"column {name!r} of type {found[name]}",
                    f"{seen[name]}, as in {paths[0].name}",
                )
            if name in empty or name in unknown:  # a column without a value takes the others' type
                seen[name] = seen[name] if name in empty else found[name]
                continue
            if found[name] != seen[name]:  # CSV: `1` and `1.5` in two files are both numbers
                seen[name] = (
                    "DOUBLE" if {found[name], seen[name]} == {"BIGINT", "DOUBLE"} else "VARCHAR"
                )
        unknown &= empty
    for name in types:
        if name not in seen:
            raise InputError(
                "params.yaml: prepare.types", f"no column {name!r}", one_of(seen, name)
            )
    return {**seen, **types}


def is_a(type_: str, names: tuple[str, ...]) -> bool:
    """Whether a DuckDB type (`DECIMAL(9,2)`, `TIMESTAMP WITH TIME ZONE`) is one of those named."""
    return type_.split("(")[0].split(" ")[0].removesuffix("_NS").removesuffix("_MS") in names


def typed(name: str, type_: str) -> str:
    """SQL of a raw column as it is stored: numbers, seconds since 1970 for times, or text.

    NaN and infinity become missing, for no mean or loss survives them.
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
    raise InputError(
        f"column {name!r}", f"type {type_}", "numbers, text or times; else list it in prepare.drop"
    )


def _empty(con: duckdb.DuckDBPyConnection, path: Path, names: list[str]) -> set[str]:
    """The named columns of a CSV file that hold no value at all."""
    counts = con.execute(
        f"SELECT {', '.join(f'count({ident(n)})' for n in names)} FROM {source([path], {})}"
    ).fetchone()
    assert counts is not None
    return {name for name, count in zip(names, counts, strict=True) if count == 0}


def as_text(name: str, type_: str) -> str:
    """SQL of a value as text, a whole number the same whether it is stored as an integer or a float."""
    column = ident(name)
    if not is_a(type_, FLOATS):
        return f"CAST({column} AS VARCHAR)"
    whole = f"{column} = trunc({column}) AND abs({column}) < 1e15"
    return f"CASE WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
