"""Reads CSV files as text: encoding, delimiter and header, and how many records there are."""

import csv
import gzip
import shlex
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.csv as pc
from pyarrow.fs import LocalFileSystem

from src.errors import InputError, shown
from src.schema import Format
from src.tables.format import Csv

DELIMITERS = ",;\t|"
SAMPLE = 1000  # records of each file that the delimiter must split as it splits the header
LONGEST = 1 << 20  # bytes of a record at most
NEWLINES = ("\n", "\r\n", "\r")
KEY = "params.yaml: prepare.csv"


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open the text of a file, unpacked and with line ends as they are.

    What is wrong with its bytes is an InputError.
    """
    unpack = gzip.open if path.suffix == ".gz" else open
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    try:
        if encoding == "utf-8":
            with unpack(path, "rb") as file:
                check_start(path, file.read(64))
        with unpack(path, "rt", encoding=name, newline="") as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise InputError(path, str(e), "a whole gzip file: fetch or pack it again") from None
    except UnicodeDecodeError as e:
        found = f"byte {e.object[e.start]:#04x}, which is not {encoding}"
        raise InputError(path, found, conversion(path, "latin1")) from None


def check_start(path: Path, start: bytes) -> None:
    """Raise InputError for UTF-16, which a mark at the start or zero bytes show."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise InputError(path, "UTF-16", conversion(path, "utf-16"))


def conversion(path: Path, encoding: str) -> str:
    """Say how to make the file UTF-8, or how to read it as it is."""
    name = shlex.quote(path.name)
    command = f"iconv -f {encoding} -t utf-8 {name} > new.csv"
    if path.suffix == ".gz":
        command = f"zcat {name} | iconv -f {encoding} -t utf-8 > new.csv"
    return f"UTF-8 (`{command}` converts it), or {KEY}.encoding: {encoding}"


class Records:
    """Splits a CSV file into records, and knows the line of each.

    Only records with a quote are left to Python's csv: the others end with their line.
    """

    def __init__(self, path: Path, file: TextIO, delimiter: str, quote: str) -> None:
        csv.field_size_limit(sys.maxsize)
        self.path, self.delimiter, self.quote = path, delimiter, quote
        self.lines = iter(file)
        self.line = 1  # the first of the last record
        self.next_line = 1

    def widths(self) -> Iterator[int]:
        """Count the values of each record; raise InputError for quotes that don't match."""
        delimiter, quote = self.delimiter, self.quote
        for line in self.lines:
            self.line = self.next_line
            self.next_line += 1
            if quote and quote in line:
                yield len(self.quoted(line))
            elif line not in NEWLINES:
                yield line.count(delimiter) + 1

    def quoted(self, line: str) -> list[str]:
        """Read a record that begins with this line."""
        lines = chain([line], self.lines)
        reader = csv.reader(
            lines, delimiter=self.delimiter, quotechar=self.quote, doublequote=True, strict=True
        )
        try:
            record = next(reader)
        except csv.Error as e:
            found = f"quotes that don't match ({e})"
            expected = f'{self.quote} doubled inside values; or {KEY}.quote: "" if it is no quote'
            raise InputError(f"{self.path}:{self.line}", found, expected) from None
        self.next_line += reader.line_num - 1
        return record


def header(path: Path, form: Format) -> list[str]:
    """Read the names in the first line."""
    with opened(path, form.encoding) as file:
        first = file.readline()
        if first in NEWLINES:
            raise InputError(f"{path}:1", "an empty line", "the names of the columns")
        if form.quote and form.quote in first:
            return Records(path, file, form.delimiter, form.quote).quoted(first)
    return first.rstrip("\r\n").split(form.delimiter)


def count_records(path: Path, form: Format) -> int:
    """Count the records below the header, by reading the text itself.

    Raises InputError, with the line, for one that has more or fewer values than the header.
    """
    with opened(path, form.encoding) as file:
        records = Records(path, file, form.delimiter, form.quote)
        widths = records.widths()
        expected = next(widths)
        count = 0
        for width in widths:
            if width != expected:
                found = f"{width} values"
                fix = f"{expected}, as in the header: mend the line, or quote its values"
                raise InputError(f"{path}:{records.line}", found, fix)
            count += 1
    return count


def line_of(path: Path, form: Format, record: int) -> int:
    """Find the line where a record begins; the first below the header is number 1."""
    with opened(path, form.encoding) as file:
        records = Records(path, file, form.delimiter, form.quote)
        for _ in islice(records.widths(), record + 1):
            pass
    return records.line


def dialect(paths: list[Path], given: Csv) -> Format:
    """Decide how the files are written: as given, and for the delimiter by all files together."""
    form = given.form()
    if given.delimiter is not None or paths[0].suffix == ".parquet":
        return form
    return form.model_copy(update={"delimiter": common_delimiter(paths, form)})


def common_delimiter(paths: list[Path], form: Format) -> str:
    """Find the one delimiter that fits all files.

    Raises InputError if several do, or files differ.
    """
    first = fitting_delimiters(paths[0], form)
    common = first
    for path in paths[1:]:
        fitting = fitting_delimiters(path, form)
        if not set(common) & set(fitting):
            found = f"delimiter {shown(fitting[0])}"
            expected = f"{shown(common[0])}, as in {paths[0].name}: convert one of them"
            raise InputError(path, found, expected)
        common = [delimiter for delimiter in common if delimiter in fitting]
    if len(common) > 1:
        found = f"lines that {' and '.join(map(shown, common))} split alike"
        raise InputError(paths[0], found, f"{KEY}.delimiter, which says the one that is meant")
    return common[0]


def fitting_delimiters(path: Path, form: Format) -> list[str]:
    """List the delimiters that split the first records as they split the header.

    Where none does, list the one that the header has most of, so that a later error names the line.
    """
    if path.name.endswith((".tsv", ".tsv.gz")):
        return ["\t"]
    fitting = [delimiter for delimiter in DELIMITERS if splits_alike(path, delimiter, form)]
    if fitting:
        return fitting
    with opened(path, form.encoding) as file:
        names = file.readline()
    return [max(DELIMITERS, key=names.count)]


def splits_alike(path: Path, delimiter: str, form: Format) -> bool:
    """Tell whether a delimiter splits the header and the first records into as many values."""
    with opened(path, form.encoding) as file:
        records = Records(path, file, delimiter, form.quote)
        try:
            widths = set(islice(records.widths(), SAMPLE))
        except InputError:  # to this delimiter, quotes stand inside values
            return False
    return len(widths) == 1 and widths != {1}


def options(
    names: list[str], form: Format, block: int = LONGEST
) -> tuple[pc.ReadOptions, pc.ParseOptions, pc.ConvertOptions]:
    """Have Arrow read columns of these names as text, so many bytes at a time."""
    read = pc.ReadOptions(
        column_names=names,
        skip_rows_after_names=1,  # the header, whose names these are
        encoding=form.encoding,
        block_size=block,
    )
    parse = pc.ParseOptions(
        delimiter=form.delimiter, quote_char=form.quote or False, newlines_in_values=True
    )
    convert = pc.ConvertOptions(
        column_types=pa.schema([(name, pa.string()) for name in names]),
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
        null_values=form.nulls,
    )
    return read, parse, convert


def blocks(path: Path, names: list[str], form: Format) -> Iterator[pa.Table]:
    """Read a file's text columns block by block: a scan of a dataset reads far ahead.

    Blocks are small, as Arrow holds many, until a record is longer than one.
    """
    done = 0
    try:
        for table in blocks_of(path, names, form, LONGEST // 4):
            yield table
            done += table.num_rows
    except pa.ArrowInvalid:
        skip = done
        for table in blocks_of(path, names, form, LONGEST):
            yield table.slice(skip)
            skip = max(skip - table.num_rows, 0)


def blocks_of(path: Path, names: list[str], form: Format, block: int) -> Iterator[pa.Table]:
    """Read a file's text columns, so many bytes at a time."""
    read, parse, convert = options(names, form, block)
    read.use_threads = False
    with pc.open_csv(path, read, parse, convert) as batches:
        for batch in batches:
            yield pa.Table.from_batches([batch])


def dataset(paths: list[Path], names: list[str], form: Format) -> Any:
    """Open files of one header as a dataset of text columns, for DuckDB to scan.

    Arrow opens just these paths. Values are those of Python's csv; null words are missing.
    """
    import pyarrow.dataset as pd  # here, for it takes 50 MB, which predict can do without

    schema = pa.schema([(name, pa.string()) for name in names])
    read, parse, convert = options(names, form)
    csv_format = pd.CsvFileFormat(read_options=read, parse_options=parse, convert_options=convert)
    absolute = [str(path.absolute()) for path in paths]  # else `a:/b.csv` would be an address
    return pd.dataset(absolute, schema=schema, format=csv_format, filesystem=LocalFileSystem())
