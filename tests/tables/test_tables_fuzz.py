"""Mutated tables: what is read has the values that Python's csv and pyarrow read, or is refused."""

import csv
import gzip
import math
import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.errors import InputError
from src.schema import Format
from src.tables.connection import connect, readable
from src.tables.csv_files import dialect
from src.tables.decide import decide
from src.tables.format import Csv
from src.tables.raw import first_misfit, parts, source
from src.tables.readings import ISO

Rows = list[tuple[Any, ...]]
WORDS = ["a", "b c", "ü", "x,y", "p;q", 'say "hi"', "two\nlines", "NA", "", "O'Brien", "-", "1a"]
MUTATIONS = ['"', ",", ";", "\t", "\n", "\r\n", "\r", " ", ".", "-", "/", ":", "0", "7", "e", "%"]
MUTATIONS += ["$", "Z", "é", "\0", "", "NA", "'", "\ufeff", "1,234", "T", "+", "_", "x"]
DATES = ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y %H:%M"]


def read(paths: list[Path], folder: Path) -> tuple[list[str], dict[str, str], Format, Rows]:
    """Read the files as `prepare` does; the column `key`, or else the first, is the key."""
    with connect(folder, 1) as con, readable(folder):
        form = dialect(paths, Csv())
        table = parts(con, paths, form)
        columns = list(table[0].types)
        key = "key" if "key" in columns else columns[0]
        names = [name for name in columns if name != key]
        if misfit := first_misfit(con, table, form, {key: "VARCHAR"}, key):
            raise InputError(misfit.where, misfit.value, misfit.expected)
        decision = decide(con, table, form, Csv(), {}, names)
        types = {key: "VARCHAR", **decision.types}
        rows = con.execute(f"SELECT * FROM {source(con, table, decision.format, types, key, True)}")
        found = rows.fetchall()
        assert len(found) == decision.rows
        return [key, *names], types, decision.format, found


def write_csv(draw: random.Random, folder: Path) -> list[Path]:
    """Write one to three files of one random table."""
    kinds: list[Callable[[], str]] = [
        lambda: str(draw.randint(-(10 ** draw.randint(1, 20)), 10 ** draw.randint(1, 20))),
        lambda: f"{draw.gauss(0, 100):.{draw.randint(0, 6)}f}",
        lambda: draw.choice(WORDS),
        lambda: f"{draw.randint(0, 999):03}",
    ]
    for form in draw.sample(DATES, 2):
        last = draw.choice([11, 400])
        kinds.append(lambda f=form, n=last: moment(draw, n).strftime(f))  # type: ignore[misc]
    chosen = draw.sample(kinds, draw.randint(1, 4))
    names = ["key", *[f"c{i}" for i in range(len(chosen))]]
    delimiter, quoting = draw.choice(",,;\t|"), draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    end = draw.choice(["\n", "\r\n"])
    paths = []
    for n in range(draw.randint(1, 3)):
        path = folder / f"{n}[{draw.choice('ab')}].csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
            writer.writerow(names)
            for row in range(draw.randint(1, 30)):
                key = draw.choice([f"{row:04}", f"k{row}", str(row)])
                values = ["" if draw.random() < 0.1 else make() for make in chosen]
                writer.writerow([key, *values])
        paths.append(path)
    return paths


def moment(draw: random.Random, days: int) -> datetime:
    """Draw a time within so many days of 2024."""
    return datetime(2024, 1, 1) + timedelta(minutes=draw.randint(0, days * 1440))


def mutate(draw: random.Random, paths: list[Path]) -> None:
    """Change some characters of a file, or cut it, or pack it."""
    path = draw.choice(paths)
    text = path.read_text("utf-8")
    for _ in range(draw.choice([0, 1, 1, 2, 5])):
        at = draw.randrange(len(text) + 1)
        text = text[:at] + draw.choice(MUTATIONS) + text[at + draw.choice([0, 1, 1, 3]) :]
    if draw.random() < 0.1:
        text = text[: draw.randrange(len(text) + 1)]
    path.write_bytes(text.encode("utf-8"))
    if draw.random() < 0.1:
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(text.encode("utf-8")))
        path.unlink()
        paths[paths.index(path)] = packed


def expected_rows(paths: list[Path], names: list[str], types: dict[str, str], form: Format) -> Rows:
    """Read the files with Python's csv, and the values with Python's own types."""
    rows: Rows = []
    for path in paths:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = raw.decode("utf-8-sig").splitlines(keepends=True)
        text = csv.reader(resplit(lines), delimiter=form.delimiter, quotechar=form.quote)
        header, *records = [record for record in text if record]
        header = [name or f"(column {i + 1})" for i, name in enumerate(header)]
        for record in records:
            assert len(record) == len(header), (path, record)
            row = dict(zip(header, record, strict=True))
            rows.append(tuple(value_of(row[n], n, types[n], form, names[0]) for n in names))
    return rows


def resplit(lines: list[str]) -> list[str]:
    """Undo the splits at signs that end no line of a CSV file, such as U+2028."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", "".join(lines))


def value_of(text: str, name: str, type_: str, form: Format, key: str) -> Any:
    """Read one value."""
    if text in form.nulls:
        return None
    if name == key or type_ == "VARCHAR":
        return text
    if type_ == "BIGINT":
        return int(text)
    if type_.startswith("DECIMAL"):
        return Decimal(text.strip())
    if type_ == "DOUBLE":
        return float(text)
    found = time_of(text, form.dates[name])
    return found.date() if type_ == "DATE" else found


def time_of(text: str, form: str) -> datetime:
    """Read a date or a time; only one order of day and month may read it."""
    if form != ISO:
        return datetime.strptime(text.strip(), form)
    padded = re.sub(r"(?<=-)(\d)(?!\d)", r"0\1", re.sub(r"(?<=[T ])(\d):", r"0\1:", text.strip()))
    return datetime.fromisoformat(padded)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(600))
def test_mutated_csv_files_have_the_values_of_pythons_csv_or_are_refused(
    seed: int, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    paths = write_csv(draw, tmp_path)
    mutate(draw, paths)
    try:
        names, types, form, rows = read(paths, tmp_path)
    except InputError as e:
        assert "\n" not in str(e)
        return
    expected = expected_rows(paths, names, types, form)
    assert rows == expected
    for name in names:
        if "/" in form.dates.get(name, "") or "." in form.dates.get(name, ""):
            assert not both_orders([row[names.index(name)] for row in expected]), name


def both_orders(times: list[datetime | date | None]) -> bool:
    """Tell whether day and month could be the other way round in all of them."""
    return all(time.day <= 12 for time in times if time is not None)


ARROW: list[tuple[pa.DataType, Callable[[random.Random], Any]]] = [
    (pa.int8(), lambda draw: draw.randint(-128, 127)),
    (pa.int32(), lambda draw: draw.randint(-(2**31), 2**31 - 1)),
    (pa.int64(), lambda draw: draw.randint(-(2**63), 2**63 - 1)),
    (pa.uint16(), lambda draw: draw.randint(0, 2**16 - 1)),
    (pa.uint64(), lambda draw: draw.randint(0, 2**64 - 1)),
    (pa.float32(), lambda draw: float(draw.randint(-(2**20), 2**20)) / 8),
    (pa.float64(), lambda draw: draw.gauss(0, 1e6)),
    (pa.decimal128(20, 3), lambda draw: Decimal(draw.randint(-(10**19), 10**19)).scaleb(-3)),
    (pa.decimal128(38, 0), lambda draw: Decimal(draw.randint(-(10**37), 10**37))),
    (pa.string(), lambda draw: draw.choice(WORDS)),
    (pa.dictionary(pa.int8(), pa.string()), lambda draw: draw.choice(WORDS)),
    (pa.bool_(), lambda draw: draw.random() < 0.5),
    (pa.date32(), lambda draw: moment(draw, 4000).date()),
    (pa.timestamp("ms"), lambda draw: moment(draw, 4000)),
    (pa.timestamp("us"), lambda draw: moment(draw, 4000) + timedelta(microseconds=7)),
    (pa.timestamp("us", tz="UTC"), lambda draw: moment(draw, 4000).replace(tzinfo=UTC)),
    (pa.null(), lambda draw: None),
]
FAMILIES = (
    [0, 1, 2, 3, 4, 16],
    [0, 1, 2, 5, 6],
    [1, 2, 7, 8],
    [9, 10, 16],
    [11],
    [12, 13, 14],
    [15],
)


def write_parquet(draw: random.Random, folder: Path) -> list[Path]:
    """Write one to three files, whose columns differ in width."""
    families = draw.choices(FAMILIES, k=draw.randint(1, 4))
    paths = []
    for n in range(draw.randint(1, 3)):
        size = draw.randint(1, 40)
        columns = {"key": pa.array([f"k{i}" for i in range(size)])}
        for i, family in enumerate(families):
            type_, make = ARROW[draw.choice(family)]
            values = [None if draw.random() < 0.1 else make(draw) for _ in range(size)]
            columns[f"c{i}"] = pa.array(values, type_)
        path = folder / f"{n}*[{draw.choice('ab')}]'.parquet"
        names = list(columns)
        if draw.random() < 0.3:
            draw.shuffle(names)
        pq.write_table(
            pa.table(columns).select(names),
            path,
            row_group_size=draw.choice([1, 7, 1000]),
            compression=draw.choice(["snappy", "zstd", "none", "gzip"]),
            data_page_version=draw.choice(["1.0", "2.0"]),
            use_dictionary=draw.random() < 0.5,
            write_page_checksum=draw.random() < 0.5,
        )
        paths.append(path)
    return paths


def comparable(value: Any) -> Any:
    """Write a value as one that is equal in any width: numbers as decimals, times in UTC."""
    match value:
        case bool() | str() | None:
            return value
        case int() | float():
            return Decimal(value)
        case datetime():
            return value.replace(tzinfo=None)
        case date():
            return datetime(value.year, value.month, value.day)
    return value


def same(value: Any, other: Any, type_: str) -> bool:
    """Compare values; a column of floats holds the decimals of another file to its last bit."""
    if type_ in ("DOUBLE", "FLOAT") and isinstance(other, int | float | Decimal):
        return math.isclose(value, float(other), rel_tol=2**-52) or value != value
    return bool(comparable(value) == comparable(other))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(250))
def test_parquet_files_have_the_values_of_pyarrow_or_are_refused(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    paths = write_parquet(draw, tmp_path)
    if seed % 2:
        path = draw.choice(paths)
        content = bytearray(path.read_bytes())
        for _ in range(draw.choice([1, 2, 8])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[: draw.choice([len(content), len(content), -1, 100])])
    try:
        names, types, _, rows = read(paths, tmp_path)
    except InputError as e:
        assert "\n" not in str(e)
        return
    expected = []
    for path in paths:
        with path.open("rb") as file:
            table = pq.ParquetFile(file, page_checksum_verification=True).read()
        try:
            listed = table.to_pylist()
        except OverflowError:  # a damaged date, without a checksum, of a year beyond Python's
            return
        expected += [tuple(row[name] for name in names) for row in listed]
    for row, wanted in zip(rows, expected, strict=True):
        for name, value, other in zip(names, row, wanted, strict=True):
            assert same(value, other, types[name]), (name, value, other)
