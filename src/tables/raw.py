"""Reads raw tables through DuckDB: finds files, and reads them by one format for all."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ArrowException

from src.errors import InputError
from src.schema import Format
from src.tables.connection import Connection, readable
from src.tables.csv_files import blocks, count_records, dataset, header, line_of
from src.tables.readings import Reading, reading_of
from src.tables.sql import FLOATS, INTEGERS, ident, is_a, parquet

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
NO_TYPE = "NULL"
BUFFER = 1 << 16  # bytes of a column that are read at a time
JOINED = 1 << 19  # bytes of text that one query reads, about
BATCH = 8192  # rows that are decoded at a time
Types = Mapping[str, str]  # column: DuckDB's name of its type


# Files


def files(raw: Path) -> list[Path]:
    """List every table in the folder, by name.

    Raises InputError if there is none, or they are of two formats.
    """
    found = sorted(raw.rglob("*"))
    if raw.is_file():
        found = [raw]
    paths = [path for path in found if is_table(path)]
    if not paths:
        raise InputError(raw, "no table", f"files ending in {', '.join(SUFFIXES)}")
    check_kinds(raw, paths)
    for path in paths:
        if path.stat().st_size == 0:
            raise InputError(path, "an empty file", "a header and rows; else remove it")
    return paths


def check_kinds(raw: Path, paths: list[Path]) -> None:
    """Raise InputError for tables of two formats."""
    examples = {kind(path): path.name for path in paths}
    if len(examples) > 1:
        both = " and ".join(examples.values())
        raise InputError(raw, both, "Parquet, CSV or TSV files alone: convert or remove the others")


def kind(path: Path) -> str:
    """Tell how the file is written, by its name."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[-1]


def is_table(path: Path) -> bool:
    """Tell a table by its name; hidden files are none."""
    if path.name.startswith("."):
        return False
    return path.name.endswith(SUFFIXES) and path.is_file()


@dataclass(frozen=True)
class Part:
    """Holds files, one after the other, that have the same columns in the same order."""

    paths: tuple[Path, ...]
    types: dict[str, str]  # as they are stored: of CSV all VARCHAR

    @property
    def is_text(self) -> bool:
        """Tell CSV from Parquet."""
        return kind(self.paths[0]) != "parquet"

    @property
    def aliases(self) -> list[str]:
        """List the names that columns have in SQL before they are read: c0, c1 and so on."""
        return [f"c{i}" for i in range(len(self.types))]


def parts(con: Connection, paths: list[Path], form: Format) -> list[Part]:
    """Read the columns of each file, and put files of the same columns together.

    Raises InputError when a file can't be read, names a column twice, or lacks one of another file.
    """
    described = [(tuple(stored(con, path, form).items()), path) for path in paths]
    for columns, path in described:
        check_same(dict(described[0][0]), paths[0], dict(columns), path)
    found = []
    for columns, run in groupby(described, key=itemgetter(0)):
        run_paths = tuple(path for _, path in run)
        found.append(Part(run_paths, dict(columns)))
    return found


def by_file(table: list[Part]) -> Iterator[Part]:
    """Yield each file as a part of its own."""
    for part in table:
        for path in part.paths:
            yield Part((path,), part.types)


def stored(con: Connection, path: Path, form: Format) -> dict[str, str]:
    """Read the names and stored types of one file's columns."""
    if kind(path) != "parquet":
        return dict.fromkeys(csv_names(path, form), "VARCHAR")
    with whole_parquet(path) as file:
        schema = file.schema_arrow
    check_names(path, schema.names)
    with readable(path):
        rows = con.execute(f"DESCRIBE SELECT * FROM {parquet(path)}").fetchall()
    types = {str(name): str(type_) for name, type_, *_ in rows}
    # To DuckDB a column without any type is one of integers, until it reads two files.
    types |= {field.name: NO_TYPE for field in schema if pa.types.is_null(field.type)}
    return types


def csv_names(path: Path, form: Format) -> list[str]:
    """Read the names of a CSV file's columns; one that is empty becomes the column's number."""
    names = []
    for i, name in enumerate(header(path, form), start=1):
        names.append(name or f"(column {i})")
    check_names(path, names)
    return names


@contextmanager
def whole_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; what Arrow finds damaged, here or in the block, is an InputError."""
    try:
        # Arrow's own way to read ahead holds a whole row group.
        with pq.ParquetFile(
            path, page_checksum_verification=True, pre_buffer=False, buffer_size=BUFFER
        ) as file:
            check_sizes(file.metadata)
            yield file
    except (ArrowException, OSError) as e:
        if isinstance(e, OSError) and e.errno:
            raise
        fix = "a whole Parquet file: fetch or write it again"
        raise InputError(path, str(e)[:200], fix) from None


def check_sizes(found: pq.FileMetaData) -> None:
    """Raise OSError where a column has a size that none can have; DuckDB would read on."""
    for group in range(found.num_row_groups):
        for column in range(found.num_columns):
            if found.row_group(group).column(column).total_compressed_size < 0:
                raise OSError("columns of a size below zero")


def check_names(path: Path, names: list[str]) -> None:
    """Raise InputError for a name that stands twice: to DuckDB, in upper or lower case."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            found = f"columns {seen[name.lower()]!r} and {name!r}"
            raise InputError(path, found, "names that differ: rename one in the file")
        seen[name.lower()] = name


def check_same(wanted: Types, first: Path, found: Types, path: Path) -> None:
    """Raise InputError where a file has other columns than the first."""
    for name in [*wanted, *found]:
        if name not in found:
            raise InputError(path, f"no column {name!r}", f"the columns of {first.name}")
        if name not in wanted:
            raise InputError(first, f"no column {name!r}", f"the columns of {path.name}")


def count_rows(path: Path, form: Format) -> int:
    """Count a file's rows without DuckDB; raise InputError where it is not whole.

    Of Parquet every page is read, for DuckDB does not heed their checksums.
    """
    if kind(path) != "parquet":
        return count_records(path, form)
    with whole_parquet(path) as file:
        batches = file.iter_batches(BATCH, use_threads=False)
        count: int = sum(batch.num_rows for batch in batches)
    pa.default_memory_pool().release_unused()  # 50 MB, that Arrow would keep
    return count


# Reading


def relation(con: Connection, part: Part, form: Format) -> str:
    """Write SQL that reads the files as they are stored, columns under their aliases.

    Of CSV it scans a dataset, which stays registered with the connection.
    """
    if not part.is_text:
        columns = zip(part.types, part.aliases, strict=True)
        renamed = [f"{ident(name)} AS {alias}" for name, alias in columns]
        return f"(SELECT {', '.join(renamed)} FROM {parquet(*part.paths)})"
    con.register(view(part), dataset(list(part.paths), part.aliases, form))
    return view(part)


def view(part: Part) -> str:
    """Name the view of CSV files."""
    key = hashlib.md5("\0".join(map(str, part.paths)).encode(), usedforsecurity=False).hexdigest()
    return f"csv_{key}"


def stored_rows(con: Connection, table: list[Part], form: Format, names: Iterable[str]) -> str:
    """Write SQL that reads the named columns as they are stored, in the order of the files."""
    selects = []
    for part in table:
        alias = dict(zip(part.types, part.aliases, strict=True))
        columns = [f"{alias[name]} AS {ident(name)}" for name in names]
        selected = ", ".join(columns) or "1"
        selects.append(f"SELECT {selected} FROM {relation(con, part, form)}")
    return f"({' UNION ALL '.join(selects)})"


def reading(name: str, part: Part, type_: str, form: Format, key: str | None) -> Reading | None:
    """Find how a column becomes the type, or text if it is the key; none: as it is stored."""
    if name == key:
        return key_reading(name, part)
    column, from_type = ident(name), part.types[name]
    if from_type == "VARCHAR":
        return reading_of(column, name, type_, form)
    if from_type == type_:
        return None
    if from_type == NO_TYPE:
        return Reading("other", type_, "true", f"CAST(NULL AS {type_})", type_)
    value = f"TRY_CAST({column} AS {type_})"
    fits = f"{value} IS NOT NULL"
    if type_ in INTEGERS and is_a(from_type, FLOATS):
        # NaN is pandas' missing value.
        fits += f" AND {column} = trunc({column}) OR isnan(CAST({column} AS DOUBLE))"
        return Reading("other", type_, fits, value, "whole numbers")
    return Reading("other", type_, fits, value, type_)


EXACT = {"FLOAT": 2**24, "DOUBLE": 2**53}  # below it, a float holds every whole number


def key_reading(name: str, part: Part) -> Reading | None:
    """Find how a key becomes text: with all its digits, and never through a float."""
    column, type_ = ident(name), part.types[name]
    if type_ == "VARCHAR":
        return None
    fits, value = "true", f"CAST({column} AS VARCHAR)"
    if type_.startswith("DECIMAL"):
        # 1.00 in one file is 1.0 in another, of other width.
        short = f"rtrim(rtrim({value}, '0'), '.')"
        value = f"CASE WHEN contains({value}, '.') THEN {short} ELSE {value} END"
    elif type_ in EXACT:
        fits = f"{column} = trunc({column}) AND abs({column}) < {EXACT[type_]}"
        value = f"CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR)"
    return Reading("other", "VARCHAR", fits, value, "whole numbers that a float holds exactly")


def source(
    con: Connection,
    table: list[Part],
    form: Format,
    types: Types,
    key: str | None = None,
    decided: bool = False,
) -> str:
    """Write SQL that reads the columns in `types`, as these types, in the order of the files.

    A value that does not fit its type is an error of DuckDB's, never NULL: `first_misfit` finds it.
    key: the column that is read as text, digit by digit; decided: whether the types were decided
    from these very rows, so that values, except keys, need not be matched again.
    """
    selects = []
    for part in table:
        columns = []
        for name, type_ in types.items():
            how = reading(name, part, type_, form, key)
            columns.append(strict(name, how, decided and name != key))
        rows = stored_rows(con, [part], form, types)
        selects.append(f"SELECT {', '.join(columns)} FROM {rows}")
    return f"({' UNION ALL '.join(selects)})"


def stream(con: Connection, part: Part, form: Format, query: str, rows: int) -> Iterator[pa.Table]:
    """Yield the result of a query that reads one file, in its order and little memory.

    rows: so many at a time; of CSV, those of about 500 kB.
    """
    if not part.is_text:
        for batch in con.sql(query).to_arrow_reader(rows):
            yield pa.Table.from_batches([batch])
        return
    for block in joined(blocks(part.paths[0], part.aliases, form)):
        con.register(view(part), block)
        yield con.sql(query).to_arrow_table()


def joined(blocks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Join small blocks: to plan the query takes longer than to run it on one of them."""
    waiting: list[pa.Table] = []
    size = 0
    for block in blocks:
        waiting.append(block)
        size += block.nbytes
        if size >= JOINED:
            yield pa.concat_tables(waiting)
            waiting.clear()
            size = 0
    if waiting:
        yield pa.concat_tables(waiting)


def strict(name: str, how: Reading | None, decided: bool) -> str:
    """Write the value, or an error where it does not fit."""
    column = ident(name)
    if how is None:
        return column
    fits = f"{how.value} IS NOT NULL" if decided else how.fits
    error = f"CAST(error('a value that does not fit its type') AS {how.type})"
    cases = f"WHEN {fits} THEN {how.value} WHEN {column} IS NOT NULL THEN {error}"
    return f"CASE {cases} END AS {column}"


@dataclass(frozen=True)
class Misfit:
    """Says where a value stands that its column's format can't read, and what was expected."""

    where: str  # file, line and column
    value: str
    expected: str


def first_misfit(
    con: Connection, table: list[Part], form: Format, types: Types, key: str | None = None
) -> Misfit | None:
    """Find the first value, by columns and files, that does not fit."""
    for name, type_ in types.items():
        for part in table:
            how = reading(name, part, type_, form, key)
            if how is None:
                continue
            misfit = misfit_in(con, [part], form, name, how)
            if misfit:
                return misfit
    return None


def misfit_in(
    con: Connection, table: list[Part], form: Format, name: str, how: Reading
) -> Misfit | None:
    """Find the first value of a column, by files, that does not fit a reading."""
    wrong = f"{ident(name)} IS NOT NULL AND NOT coalesce({how.fits}, false)"
    for part in by_file(table):
        stored = stored_rows(con, [part], form, [name])
        rows = f"SELECT row_number() OVER () AS n, {ident(name)} FROM {stored}"
        value = f"CAST({ident(name)} AS VARCHAR)"
        query = f"SELECT n, {value} FROM ({rows}) WHERE {wrong} ORDER BY n LIMIT 1"
        found = con.execute(query).fetchall()
        if found:
            number, wrong_value = found[0]
            (path,) = part.paths
            line = f" row {number}"
            if part.is_text:
                line = str(line_of(path, form, number))
            return Misfit(f"{path}:{line}: column {name!r}", wrong_value, how.name)
    return None
