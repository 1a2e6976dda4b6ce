"""Predicts raw rows, without the target, with a trained model.

Rows stream through, so memory does not grow with their number. A value that training had not is
counted on stderr, a line a column.
"""

import os

# Arrow, when it is imported, would take an allocator of its own, which keeps 20 MB more.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

import argparse
import ctypes
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Literal

import duckdb
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import torch

from src.cli import guarded
from src.encoder import Encoder, numbers, present
from src.errors import InputError, one_of
from src.files import named, temporary, whole
from src.model_file import BATCH, Model
from src.params import FILE, StageParams, TrainedModel
from src.schema import Column, Schema
from src.tables.connection import Connection, connect
from src.tables.raw import Part, Types, count_rows, files, first_misfit, parts, source, stream
from src.tables.split_files import SplitWriter
from src.tables.sql import TIMES, ident, is_a, typed

Kind = Literal["csv", "parquet"]
STREAM = Path("-")  # stdin or stdout
ENCODED = 1 << 18  # numbers at a time, about
GROUP = 1 << 17  # values of a row group that is written
MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
MEMORY = "64MB"  # what DuckDB may hold of rows that stream through


class Params(StageParams):
    """Holds of params.yaml the model, where it has one."""

    train: TrainedModel | None = None


def is_named(name: str) -> bool:
    """Tell whether this project's params.yaml names the class, `module:Class`."""
    if not FILE.is_file():
        return False
    train = Params.load().train
    return train is not None and train.trusts(name)


class Departures:
    """Counts the values of the rows that the training rows had not, a column."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.rows = 0
        self.missing: Counter[str] = Counter()
        self.unseen: Counter[str] = Counter()
        self.outside: Counter[str] = Counter()

    def add(self, table: pa.Table) -> None:
        """Count those of some more rows."""
        self.rows += table.num_rows
        for column in self.encoder.schema.columns:
            values = table.column(column.name)
            self.missing[column.name] += values.null_count
            if column.categories is not None:
                known, _ = present(values, column.categories)
                self.unseen[column.name] += len(values) - values.null_count - len(known)
        for name, (smallest, largest) in self.encoder.ranges.items():
            value = numbers(table.column(name))
            self.outside[name] += int(((value < smallest) | (value > largest)).sum())

    def lines(self) -> list[str]:
        """Describe each column that has any."""
        lines = []
        for column in self.encoder.schema.columns:
            counts = []
            if self.missing[column.name]:
                counts.append(f"{self.missing[column.name]} missing")
            if self.unseen[column.name]:
                counts.append(f"{self.unseen[column.name]} of a category that training had not")
            if self.outside[column.name]:
                smallest, largest = self.encoder.ranges[column.name]
                span = f"{bound(column, smallest)} to {bound(column, largest)}"
                counts.append(f"{self.outside[column.name]} outside {span}")
            if counts:
                lines.append(f"column {column.name!r}: {', '.join(counts)}")
        return lines


def bound(column: Column, value: float) -> str:
    """Write an end of a column's range; of times, which are stored as seconds, as a date."""
    if is_a(column.type, TIMES) and abs(value) < 1e11:  # year 5138
        return datetime.fromtimestamp(value, UTC).isoformat(" ").removesuffix("+00:00")
    return f"{value:.10g}"


# Rows in


@contextmanager
def as_file(rows: Path, scratch: Path) -> Iterator[Path]:
    """Yield the file of the rows. What comes through a pipe is copied to disk first."""
    if rows.is_dir():
        raise InputError(rows, "a folder", "a file of rows")
    if rows != STREAM and not rows.exists():
        raise InputError(rows, "no such file", "a .parquet, .csv, .csv.gz or .tsv file of rows")
    if rows.is_file():
        yield rows
        return
    copy = scratch / "stdin"
    with (
        named(rows),
        nullcontext(sys.stdin.buffer) if rows == STREAM else rows.open("rb") as pipe,
        copy.open("wb") as file,
    ):
        shutil.copyfileobj(pipe, file, 1 << 20)
    yield copy.rename(copy.with_suffix(suffix(copy)))


def suffix(path: Path) -> str:
    """Tell by its first bytes how a file is written that has no name."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        return ".parquet"
    if start.startswith(b"\x1f\x8b"):
        return ".csv.gz"
    return ".csv"


def key_of(schema: Schema, types: Types) -> str | None:
    """Find the column that tells rows apart: that of the training data, else one named `id`."""
    for name in (schema.id, "id"):
        if name in types:
            return name
    return None


def read(con: Connection, path: Path, schema: Schema, size: int) -> Iterator[pa.Table]:
    """Read the features as `prepare` stores them, and `id` where there is one, some rows at a time.

    Raises InputError if the file can't be read, or does not fit the model.
    """
    files(path)
    if count_rows(path, schema.format) == 0:  # it names the line of a row that is not whole
        raise InputError(path, "no rows", "rows to predict")
    table = parts(con, [path], schema.format)
    types = table[0].types
    check_columns(path, schema, types)
    key = key_of(schema, types)
    wanted = {column.name: column.type for column in schema.columns}
    selected = [f"{typed(name, type_)} AS {ident(name)}" for name, type_ in wanted.items()]
    if key is not None:
        wanted[key] = "VARCHAR"
        selected.insert(0, f"{ident(key)} AS id")
    try:
        rows = source(con, table, schema.format, wanted, key)
        query = f"SELECT {', '.join(selected)} FROM {rows}"
        yield from stream(con, table[0], schema.format, query, size)
    except (duckdb.Error, OSError, pa.ArrowInvalid) as e:
        # OSError is Arrow's, for an error of DuckDB's in a stream.
        raise unreadable(con, table, schema, wanted, key, e) from None


def check_columns(rows: Path, schema: Schema, types: Types) -> None:
    """Raise InputError where the rows lack a column of the model."""
    for column in schema.columns:
        if column.name not in types:
            expected = f"every column of the model; it has {one_of(types, column.name)}"
            raise InputError(rows, f"no column {column.name!r}", expected)


def unreadable(
    con: Connection,
    table: list[Part],
    schema: Schema,
    wanted: Types,
    key: str | None,
    error: Exception,
) -> InputError:
    """Say where the value stands that can't be read, but not what it is: it may be of a person."""
    misfit = first_misfit(con, table, schema.format, wanted, key)
    if misfit is None:
        found = type(error).__name__
        return InputError(table[0].paths[0], found, "a table that can be read whole")
    return InputError(misfit.where, "another value", f"{misfit.expected}, as in training")


# Predictions out


def predict(model: Model, table: pa.Table) -> pa.Table:
    """Predict each row: `prediction`, and of a classifier `probability_<class>`."""
    predictions = {"id": table.column("id")} if "id" in table.column_names else {}
    classes = model.encoder.schema.classes
    if classes is None:
        predictions["prediction"] = model.estimate(table).numpy()
        return pa.table(predictions)
    predicted, probability = model.classify(table)
    predictions["prediction"] = pa.array(model.encoder.labels(predicted))
    for i, name in enumerate(classes):
        predictions[f"probability_{name}"] = probability[:, i].numpy()
    return pa.table(predictions)


def predictions(
    model: Model, departures: Departures, tables: Iterator[pa.Table]
) -> Iterator[pa.Table]:
    """Predict the tables, and count their departures."""
    for table in tables:
        departures.add(table)
        yield predict(model, table)


def check_departures(where: object, departures: Departures) -> None:
    """Raise InputError for values that the training rows had not."""
    found = "; ".join(departures.lines())
    if found:
        raise InputError(where, found, "values as in training, under --strict")


@contextmanager
def opened(out: Path, at_once: bool) -> Iterator[BinaryIO]:
    """Open what is written to: a file takes its name only when it is whole.

    Where `out` is a symbolic link, it stays, and the file that it names is written. at_once: write
    to a device or a pipe nothing before all is there.
    """
    if out.is_dir():
        raise InputError(out, "a folder", "a file to write")
    if out in (STREAM, Path("/dev/stdout")):
        # Opened by name, a file that it is redirected to would be emptied.
        with whole_stream(sys.stdout.buffer, at_once) as file:
            yield file
    elif out.exists() and not out.is_file():
        with named(out), out.open("wb") as stream, whole_stream(stream, at_once) as file:
            yield file
    else:
        target = Path(os.path.realpath(out)) if out.is_symlink() else out
        with whole(target) as part, part.open("wb") as file:
            yield file


@contextmanager
def whole_stream(stream: BinaryIO, at_once: bool) -> Iterator[BinaryIO]:
    """Yield the stream itself, or a file that is copied to it in the end."""
    if not at_once:
        yield stream
    else:
        with TemporaryFile(prefix="reprise-") as file:
            yield file
            file.seek(0)
            shutil.copyfileobj(file, stream, 1 << 20)
    stream.flush()


def write(file: BinaryIO, kind: Kind, tables: Iterator[pa.Table]) -> None:
    """Write the tables one after the other."""
    first = next(tables)
    if kind == "csv":
        with pc.CSVWriter(file, first.schema) as writer:
            for table in chain([first], tables):
                writer.write(table)
        return
    with pq.ParquetWriter(file, first.schema, use_dictionary=["prediction"]) as parquet:
        groups = SplitWriter(parquet, first.schema, max(1, GROUP // first.num_columns))
        for table in chain([first], tables):
            for batch in table.to_batches():
                groups.add(batch)
        groups.flush()


class WithoutPandas:
    """Hides pandas from imports."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Find no pandas."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def forget_pandas() -> None:
    """Have Arrow do without pandas, which it looks for once: 50 MB that nothing here needs."""
    sys.meta_path.insert(0, WithoutPandas)
    pa.array([0])
    sys.meta_path.remove(WithoutPandas)


def return_blocks() -> None:
    """Have glibc give freed blocks back; else it keeps more and more of them, of odd sizes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, 1 << 16)


def run(
    model: Path, rows: Path, out: Path, kind: Kind | None, strict: bool, trusted: list[str]
) -> None:
    """Predict the rows of one file.

    kind: how to write predictions; none: by the suffix of `out`. Raises InputError for bad rows,
    and if strict, for values that the training rows had not.
    """
    torch.set_num_threads(1)  # as in evaluate: sums in more parts differ in the last bit
    trained = Model.load(model, lambda name: name in trusted or is_named(name))
    departures = Departures(trained.encoder)
    where = "stdin" if rows == STREAM else rows

    with (
        temporary() as scratch,
        connect(scratch, threads=1) as con,
        as_file(rows, scratch) as path,
        opened(out, at_once=strict) as file,
    ):
        # Nothing is read twice; what DuckDB would keep of the file grows with it.
        con.execute(f"SET memory_limit = '{MEMORY}'; SET enable_external_file_cache = false")
        size = BATCH * max(2, ENCODED // (BATCH * (trained.encoder.width + 1)))
        tables = read(con, path, trained.encoder.schema, size)
        by_name: Kind = "parquet" if out.suffix == ".parquet" else "csv"
        write(file, kind or by_name, predictions(trained, departures, tables))
        if strict:
            check_departures(where, departures)
    # Not to stdout, which may be what is written to.
    for line in departures.lines():
        print(f"{where}: {line}", file=sys.stderr)
    name = "stdout" if out == STREAM else out
    print(f"{name}: {departures.rows} predictions", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m src.predict", description=__doc__)
    parser.add_argument("model", type=Path, help="model.safetensors")
    parser.add_argument("rows", type=Path, help=".parquet, .csv, .csv.gz or .tsv; - for stdin")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help=".csv or .parquet to write; - for stdout"
    )
    parser.add_argument(
        "--format",
        dest="kind",
        choices=["csv", "parquet"],
        help="how to write predictions (default: by the suffix of --out, else csv)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="fail where a value is missing, or training had none"
    )
    parser.add_argument(
        "--trust-model-class",
        dest="trusted",
        metavar="MODULE:CLASS",
        action="append",
        default=[],
        help="a class of your own that the model file may import, beside that of params.yaml",
    )
    arguments = parser.parse_args()
    forget_pandas()
    return_blocks()
    guarded("predict", lambda: run(**vars(arguments)))
