"""Small tables, each read one way or refused: the values, types and ids that come out, or the line.

The independent readers of `tests/fuzz_tables.py` compare more of them.
"""

import gzip
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from src.errors import InputError
from src.prepare import Params, run
from src.schema import SPLITS, Schema

Values = list[Any]


@dataclass
class Case:
    """Holds the files of a table, the params to read it by, and what is to come out."""

    files: dict[str, str | bytes | pa.Table]
    params: dict[str, Any] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)  # in the order of y
    line: str = ""  # part of the error
    says: str = ""  # part of what is printed


def prepare(case: Case, folder: Path) -> tuple[Schema, pa.Table]:
    """Prepare the files; return the schema, and the rows of all splits in the order of y."""
    raw = folder / "raw"
    for name, content in case.files.items():
        path = raw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    params = {"target": "y", "task": "regression", **case.params}
    run(
        Params.model_validate({"prepare": {"seed": 1, **params}, "runtime": {"workers": 1}}),
        raw,
        folder / "out",
    )
    parts = [pq.read_table(folder / "out" / f"{split}.parquet") for split in SPLITS]
    return Schema.read(folder / "out"), pa.concat_tables(parts).sort_by("y")


def text(*values: str, head: str = "x", sep: str = ";", start: int = 0) -> str:
    """Write a file of one column and the row's number as y."""
    rows = [f"{value}{sep}{start + i}" for i, value in enumerate(values)]
    return "\n".join([f"{head}{sep}y", *rows, ""])


def comma(*values: str, start: int = 0) -> str:
    """Write the same with commas."""
    return text(*values, sep=",", start=start)


def keyed(*keys: str, start: int = 0) -> str:
    """Write a file of keys x, a feature f and the row's number y."""
    return text(*[f"{key},{i}" for i, key in enumerate(keys)], head="x,f", sep=",", start=start)


def table(values: Values, type_: pa.DataType, start: int = 0) -> pa.Table:
    """Make a Parquet table of x, a feature f and the row's number y."""
    numbers = pa.array(range(start, start + len(values)), pa.int64())
    return pa.table({"x": pa.array(values, type_), "f": numbers, "y": numbers})


def seconds(*moments: date | datetime) -> Values:
    """Give times as they are stored: seconds since 1970."""
    found = []
    for moment in moments:
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        found.append(moment.timestamp())
    return found


DM = [f"{day:02}/03/2024" for day in (1, 2, 25)]
AMBIGUOUS = [f"0{day}/03/2024" for day in (1, 2, 4)]
MARCH = [date(2024, 3, day) for day in (1, 2, 25)]
NUMBERS = {
    "whole numbers": Case(
        {"a.csv": comma("1", "-2", "+3")}, types={"x": "BIGINT"}, values={"x": [1, -2, 3]}
    ),
    "fractions": Case(
        {"a.csv": comma("1", "-2.5", ".5", "1e3")},
        types={"x": "DOUBLE"},
        values={"x": [1, -2.5, 0.5, 1000]},
    ),
    "missing": Case(
        {"a.csv": comma("1", "", "NA", "N/A", "NaN", "null", "NULL", "nan", "2")},
        types={"x": "BIGINT"},
        values={"x": [1, *[None] * 7, 2]},
    ),
    "missing in quotes": Case(
        {"a.csv": comma("1", '""', '"NA"', "2")},
        types={"x": "BIGINT"},
        values={"x": [1, None, None, 2]},
    ),
    "own null words": Case(
        {"a.csv": comma("1", "?", "-", "4")},
        {"csv": {"nulls": ["?", "-"]}},
        {"x": "BIGINT"},
        {"x": [1, None, None, 4]},
    ),
    "padded with spaces": Case(
        {"a.csv": comma(" 1", "2 ", " 3 ")}, types={"x": "BIGINT"}, values={"x": [1, 2, 3]}
    ),
    "64 bits": Case(
        {"a.csv": comma(str(2**63 - 1), str(-(2**63)), "1")},
        types={"x": "BIGINT"},
        values={"x": [2**63 - 1, -(2**63), 1]},
    ),
    "beyond 64 bits": Case(
        {"a.csv": comma(str(2**63), "1", "2")},
        types={"x": "DECIMAL(38,0)"},
        values={"x": [2.0**63, 1, 2]},
    ),
    "beyond 38 digits": Case(
        {"a.csv": comma("1" * 40, "2" * 40)},
        types={"x": "VARCHAR"},
        values={"x": ["1" * 40, "2" * 40]},
        says="x: text, as its whole numbers have more than 38 digits",
    ),
    "leading zeros": Case(
        {"a.csv": comma("01234", "99999")},
        types={"x": "VARCHAR"},
        values={"x": ["01234", "99999"]},
        says="x: text, as its numbers begin with zeros; prepare.types: {x: DOUBLE} reads them",
    ),
    "leading zeros, as numbers": Case(
        {"a.csv": comma("01234", "99999")},
        {"types": {"x": "bigint"}},
        {"x": "BIGINT"},
        {"x": [1234, 99999]},
    ),
    "whole in one file, fractions in the other": Case(
        {"a.csv": comma("1"), "b.csv": comma("1.5", start=1)},
        types={"x": "DOUBLE"},
        values={"x": [1, 1.5]},
    ),
    "no value in one file": Case(
        {"a.csv": comma("", ""), "b.csv": comma("7", start=2)},
        types={},
        values={},
        line="no feature: x: the same value in all rows",
    ),
    "no value in the first file": Case(
        {"a.csv": comma("", ""), "b.csv": comma("7", "8", start=2)},
        types={"x": "BIGINT"},
        values={"x": [None, None, 7, 8]},
    ),
    "decimal comma": Case(
        {"a.csv": text("3,5", "2,25")},
        line=(
            "a.csv: column 'x': found numbers such as '3,5'; expected in params.yaml prepare.csv: "
            '{decimal: ","}; or prepare.types: {x: VARCHAR} if it is text'
        ),
    ),
    "decimal comma, set": Case(
        {"a.csv": text("3,5", "2,25", "4")},
        {"csv": {"decimal": ","}},
        {"x": "DOUBLE"},
        {"x": [3.5, 2.25, 4]},
    ),
    "decimal point where the comma is set": Case(
        {"a.csv": text("3.5", "2.25")},
        {"csv": {"decimal": ","}},
        line='expected in params.yaml prepare.csv: {decimal: "."}',
    ),
    "decimal marks that differ between files": Case(
        {"a.csv": text("3.5", "2.25", "1.5"), "b.csv": text("3,5", start=3)},
        line=(
            "b.csv:2: column 'x': found '3,5', where most values are numbers; expected one way to "
            "write them in all rows and files"
        ),
    ),
    "thousands or decimals": Case(
        {"a.csv": text("1,234", "5,678")},
        line=(
            "found numbers such as '5,678'; expected in params.yaml prepare.csv: {thousands: "
            '","} or prepare.csv: {decimal: ","}'
        ),
    ),
    "thousands": Case({"a.csv": text("1,234.5", "5")}, line='prepare.csv: {thousands: ","}'),
    "thousands, set": Case(
        {"a.csv": text("1,234.5", "1,234,567", "5")},
        {"csv": {"thousands": ","}},
        {"x": "DOUBLE"},
        {"x": [1234.5, 1234567, 5]},
    ),
    "thousands that are not grouped by three": Case(
        {"a.csv": text("1,23", "1,234", "5")},
        {"csv": {"thousands": ","}},
        line='prepare.csv: {decimal: ",", thousands: ""}',
    ),
    "1.092,37": Case(
        {"a.csv": text("1.092,37", "1,5")}, line='prepare.csv: {decimal: ",", thousands: "."}'
    ),
    "1.092,37, set": Case(
        {"a.csv": text("1.092,37", "1,5")},
        {"csv": {"decimal": ",", "thousands": "."}},
        {"x": "DOUBLE"},
        {"x": [1092.37, 1.5]},
    ),
    "spaces between thousands": Case(
        {"a.csv": text("1 092", "2 500 000")}, line='prepare.csv: {thousands: " "}'
    ),
    "apostrophes between thousands": Case(
        {"a.csv": text("1'092", "2'500'000")}, line='prepare.csv: {thousands: "\'"}'
    ),
    "underscores": Case({"a.csv": text("1_092", "2_500")}, line='prepare.csv: {thousands: "_"}'),
    "dollars": Case({"a.csv": text("$3.20", "$4")}, line='prepare.csv: {units: ["$"]}'),
    "dollars, set": Case(
        {"a.csv": text("$3.20", "-$4", "$1,000", "5")},
        {"csv": {"units": ["$"], "thousands": ","}},
        {"x": "DOUBLE"},
        {"x": [3.2, -4, 1000, 5]},
    ),
    "euros after the number": Case(
        {"a.csv": text("3,20 €", "4,00 €")}, line='prepare.csv: {decimal: ",", units: ["€"]}'
    ),
    "currency codes": Case(
        {"a.csv": text("3.20 USD", "4 USD")}, line='prepare.csv: {units: ["USD"]}'
    ),
    "per cent": Case({"a.csv": text("12.5%", "7%")}, line='prepare.csv: {units: ["%"]}'),
    "disguised numbers, as text": Case(
        {"a.csv": text("12.5%", "7%")},
        {"types": {"x": "text"}},
        {"x": "VARCHAR"},
        {"x": ["12.5%", "7%"]},
    ),
    "a word among numbers": Case(
        {"a.csv": comma(*map(str, range(20)), "unknown")},
        line=(
            "a.csv:22: column 'x': found 'unknown', where most values are whole numbers; expected "
            "whole numbers; or the word in prepare.csv.nulls"
        ),
    ),
    "a few numbers among words": Case(
        {"a.csv": comma("a", "b", "1", "2", "c")},
        types={"x": "VARCHAR"},
        values={"x": ["a", "b", "1", "2", "c"]},
    ),
    "hexadecimal": Case(
        {"a.csv": comma("0x1F", "0x20")}, types={"x": "VARCHAR"}, values={"x": ["0x1F", "0x20"]}
    ),
    "infinity is missing": Case(
        {"a.csv": comma("inf", "1.5", "2", "-Infinity")},
        types={"x": "DOUBLE"},
        values={"x": [None, 1.5, 2, None]},
    ),
    "booleans stay as written": Case(
        {"a.csv": comma("true", "False", "true")},
        types={"x": "VARCHAR"},
        values={"x": ["true", "False", "true"]},
    ),
}
TIMES = {
    "ISO dates": Case(
        {"a.csv": comma("2024-03-01", "2024-03-02", "2024-03-25")},
        types={"x": "DATE"},
        values={"x": seconds(*MARCH)},
    ),
    "day first": Case({"a.csv": comma(*DM)}, types={"x": "DATE"}, values={"x": seconds(*MARCH)}),
    "month first": Case(
        {"a.csv": comma("03/01/2024", "03/02/2024", "03/25/2024")},
        types={"x": "DATE"},
        values={"x": seconds(*MARCH)},
    ),
    "day or month first": Case(
        {"a.csv": comma(*AMBIGUOUS)},
        line=(
            "a.csv: column 'x': found dates such as '01/03/2024', which can be %d/%m/%Y and "
            '%m/%d/%Y; expected in params.yaml prepare.csv.dates: {"x": "%d/%m/%Y"} or '
            'prepare.csv.dates: {"x": "%m/%d/%Y"}'
        ),
    ),
    "day or month first, with points": Case(
        {"a.csv": comma("01.03.2024", "02.03.2024")}, line='prepare.csv.dates: {"x": "%d.%m.%Y"}'
    ),
    "day or month first, with dashes": Case(
        {"a.csv": comma("01-03-2024", "02-03-2024")}, line='prepare.csv.dates: {"x": "%d-%m-%Y"}'
    ),
    "day or month first, with times": Case(
        {"a.csv": comma("01/03/2024 10:00", "02/03/2024 11:30")},
        line='prepare.csv.dates: {"x": "%d/%m/%Y %H:%M"}',
    ),
    "day or month first, set": Case(
        {"a.csv": comma(*AMBIGUOUS)},
        {"csv": {"dates": {"x": "%m/%d/%Y"}}},
        {"x": "DATE"},
        {"x": seconds(date(2024, 1, 3), date(2024, 2, 3), date(2024, 4, 3))},
    ),
    "day first in all files, which one of them shows": Case(
        {"a.csv": comma(*AMBIGUOUS), "b.csv": comma("25/03/2024", start=3)},
        types={"x": "DATE"},
        values={
            "x": seconds(date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 4), date(2024, 3, 25))
        },
    ),
    "day first in one file, month first in the other": Case(
        {"a.csv": comma(*DM), "b.csv": comma("03/26/2024", start=3)},
        line=(
            "b.csv:2: column 'x': found '03/26/2024', where most values are %d/%m/%Y; expected "
            "one way to write them in all rows and files"
        ),
    ),
    "two digits of the year": Case(
        {"a.csv": comma("24-01-30", "24-01-29")}, line='prepare.csv.dates: {"x": "%y-%m-%d"}'
    ),
    "two digits of the year, of one meaning": Case(
        {"a.csv": comma("31/12/99", "30/11/98")},
        types={"x": "DATE"},
        values={"x": seconds(date(1999, 12, 31), date(1998, 11, 30))},
    ),
    "a format that the year does not fit": Case(
        {"a.csv": comma("01/03/24", "02/03/24")},
        {"csv": {"dates": {"x": "%d/%m/%Y"}}},
        line="a.csv:2: column 'x': found '01/03/24'; expected %d/%m/%Y",
    ),
    "names of months": Case(
        {"a.csv": comma("1 Mar 2024", "2 Mar 2024", "25 March 2024")},
        types={"x": "DATE"},
        values={"x": seconds(*MARCH)},
    ),
    "American dates in full": Case(
        {"a.csv": text("March 1, 2024", "March 2, 2024", "March 25, 2024")},
        types={"x": "DATE"},
        values={"x": seconds(*MARCH)},
    ),
    "ISO times": Case(
        {"a.csv": comma("2024-03-01T10:00", "2024-03-02 11:30:15", "2024-03-25 00:00:00.5")},
        types={"x": "TIMESTAMP"},
        values={
            "x": seconds(
                datetime(2024, 3, 1, 10),
                datetime(2024, 3, 2, 11, 30, 15),
                datetime(2024, 3, 25, 0, 0, 0, 500_000),
            )
        },
    ),
    "dates in one file, times in the other": Case(
        {"a.csv": comma("2024-03-01"), "b.csv": comma("2024-03-02T12:00:00", start=1)},
        types={"x": "TIMESTAMP"},
        values={"x": seconds(date(2024, 3, 1), datetime(2024, 3, 2, 12))},
    ),
    "times with Z and offsets": Case(
        {
            "a.csv": comma(
                "2024-03-01T10:00Z",
                "2024-03-01T10:00:00+02:00",
                "2024-03-01 10:00:00.25-0530",
                "2024-03-01T10:00:00+02",
            )
        },
        types={"x": "TIMESTAMP WITH TIME ZONE"},
        values={
            "x": seconds(
                datetime(2024, 3, 1, 10),
                datetime(2024, 3, 1, 8),
                datetime(2024, 3, 1, 15, 30, 0, 250_000),
                datetime(2024, 3, 1, 8),
            )
        },
    ),
    "times with and without a zone": Case(
        {"a.csv": comma("2024-03-01T10:00Z", "2024-03-01T10:00:00")},
        line="expected one way to write them in all rows and files; or prepare.types: {x: VARCHAR}",
    ),
    "times with and without a zone, set": Case(
        {"a.csv": comma("2024-03-01T10:00:00+02:00", "2024-03-01T10:00:00", "2024-03-01")},
        {"types": {"x": "timestamptz"}},
        {"x": "TIMESTAMP WITH TIME ZONE"},
        {"x": seconds(datetime(2024, 3, 1, 8), datetime(2024, 3, 1, 10), date(2024, 3, 1))},
    ),
    "hours to twelve": Case(
        {"a.csv": comma("3/25/2024 1:05 PM", "3/1/2024 12:00 AM")},
        types={"x": "TIMESTAMP"},
        values={"x": seconds(datetime(2024, 3, 25, 13, 5), date(2024, 3, 1))},
    ),
    "a day that is none": Case(
        {"a.csv": comma(*[f"2024-02-{day:02}" for day in range(1, 30)], "2024-02-30")},
        line="a.csv:31: column 'x': found '2024-02-30', where most values are dates",
    ),
    "a word among dates": Case(
        {"a.csv": comma(*[f"2024-02-{day:02}" for day in range(1, 30)], "soon")},
        line="found 'soon', where most values are dates",
    ),
    "years first with slashes": Case(
        {"a.csv": comma("2024/03/01", "2024/3/2", "2024/03/25")},
        types={"x": "DATE"},
        values={"x": seconds(*MARCH)},
    ),
    "a given type of dates": Case(
        {"a.csv": comma(*DM)},
        {"types": {"x": "DATE"}},
        line="a.csv:2: column 'x': found '01/03/2024'; expected dates",
    ),
    "dates of a column that is not there": Case(
        {"a.csv": comma(*DM)},
        {"csv": {"dates": {"z": "%d"}}},
        line="prepare.csv.dates.z: found no column 'z'",
    ),
    "a format that is none": Case(
        {"a.csv": comma(*DM)},
        {"csv": {"dates": {"x": "DD/MM/YYYY"}}},
        line="prepare.csv.dates.x: found 'DD/MM/YYYY'; expected a format of strptime",
    ),
}
LONG = "123456789012345678901"
KEYS = {
    "keys keep their digits": Case(
        {"a.csv": keyed("007", "7", "+7", "7.0", "1e5", "100000", LONG + "1", LONG + "2", " 7")},
        {"id": "x"},
        values={"id": ["007", "7", "+7", "7.0", "1e5", "100000", LONG + "1", LONG + "2", " 7"]},
    ),
    "keys of two files": Case(
        {"a.csv": keyed("1", "2"), "b.csv": keyed("1.5", "A", start=2)},
        {"id": "x"},
        values={"id": ["1", "2", "1.5", "A"]},
    ),
    "a key of a type": Case(
        {"a.csv": keyed("1", "2")},
        {"id": "x", "types": {"x": "BIGINT"}},
        line="prepare.types: found the key 'x'; expected no type: a key is text as it is",
    ),
    "a null word as a key": Case(
        {"a.csv": keyed("DE", "NA")},
        {"id": "x"},
        line=(
            "column 'x': found 1 rows without a value; expected an id in every row; where a word "
            "such as NA is one, prepare.csv.nulls: ['']"
        ),
    ),
    "whole numbers of 64 bits as keys": Case(
        {"a.parquet": table([2**63 - 1, 2**53 + 1], pa.int64())},
        {"id": "x"},
        values={"id": [str(2**63 - 1), str(2**53 + 1)]},
    ),
    "unsigned keys": Case(
        {"a.parquet": table([2**64 - 1], pa.uint64()), "b.parquet": table([-1], pa.int8(), 1)},
        {"id": "x"},
        values={"id": [str(2**64 - 1), "-1"]},
    ),
    "decimal keys": Case(
        {
            "a.parquet": table([Decimal(LONG), Decimal(7)], pa.decimal128(38, 0)),
            "b.parquet": table([Decimal("7.50"), Decimal("8.00")], pa.decimal128(5, 2), 2),
        },
        {"id": "x"},
        values={"id": [LONG, "7", "7.5", "8"]},
    ),
    "float keys that are whole": Case(
        {"a.parquet": table([1.0, 2.0], pa.float64()), "b.parquet": table([3], pa.int32(), 2)},
        {"id": "x"},
        values={"id": ["1", "2", "3"]},
    ),
    "float keys that are not exact": Case(
        {"a.parquet": table([1.0, 2.0**53], pa.float64())},
        {"id": "x"},
        line=(
            "a.parquet: row 2: column 'x': found 9007199254740992.0; expected whole numbers that "
            "a float holds exactly"
        ),
    ),
    "float keys with a fraction": Case(
        {"a.parquet": table([1.0, 2.5], pa.float64())},
        {"id": "x"},
        line="found 2.5; expected whole numbers that a float holds exactly",
    ),
}
UTC_TIME = pa.timestamp("us", tz="UTC")
WIDTHS = {
    "int32 and int64": Case(
        {"a.parquet": table([1], pa.int32()), "b.parquet": table([2**40], pa.int64(), 1)},
        types={"x": "BIGINT"},
        values={"x": [1, 2**40]},
    ),
    "int8 and uint16": Case(
        {"a.parquet": table([-1], pa.int8()), "b.parquet": table([2**16 - 1], pa.uint16(), 1)},
        types={"x": "BIGINT"},
        values={"x": [-1, 2**16 - 1]},
    ),
    "int64 and uint64": Case(
        {"a.parquet": table([-1], pa.int64()), "b.parquet": table([2**64 - 1], pa.uint64(), 1)},
        types={"x": "DOUBLE"},
        values={"x": [-1, 2.0**64]},
    ),
    "int64 and float": Case(
        {"a.parquet": table([1], pa.int64()), "b.parquet": table([0.1], pa.float32(), 1)},
        types={"x": "DOUBLE"},
        values={"x": [1, 0.10000000149011612]},
    ),
    "float and double": Case(
        {"a.parquet": table([0.5], pa.float32()), "b.parquet": table([0.1], pa.float64(), 1)},
        types={"x": "DOUBLE"},
        values={"x": [0.5, 0.1]},
    ),
    "int and decimal": Case(
        {
            "a.parquet": table([1], pa.int64()),
            "b.parquet": table([Decimal("0.25")], pa.decimal128(4, 2), 1),
        },
        types={"x": "DOUBLE"},
        values={"x": [1, 0.25]},
    ),
    "decimals that no decimal holds": Case(
        {
            "a.parquet": table([Decimal(1)], pa.decimal128(38, 0)),
            "b.parquet": table([Decimal("0.25")], pa.decimal128(4, 2), 1),
        },
        types={"x": "DOUBLE"},
        values={"x": [1, 0.25]},
    ),
    "null and int": Case(
        {"a.parquet": table([None, None], pa.null()), "b.parquet": table([1, 2], pa.int32(), 2)},
        types={"x": "INTEGER"},
        values={"x": [None, None, 1, 2]},
    ),
    "null and text": Case(
        {
            "a.parquet": table([None, None], pa.null()),
            "b.parquet": table(["a", "b"], pa.string(), 2),
        },
        types={"x": "VARCHAR"},
        values={"x": [None, None, "a", "b"]},
    ),
    "dates and timestamps": Case(
        {
            "a.parquet": table([MARCH[0]], pa.date32()),
            "b.parquet": table([datetime(2024, 3, 2, 12)], pa.timestamp("ms"), 1),
        },
        types={"x": "TIMESTAMP"},
        values={"x": seconds(MARCH[0], datetime(2024, 3, 2, 12))},
    ),
    "microseconds and nanoseconds": Case(
        {
            "a.parquet": table([datetime(2024, 3, 1)], pa.timestamp("us")),
            "b.parquet": table([datetime(2024, 3, 2)], pa.timestamp("ns"), 1),
        },
        types={"x": "TIMESTAMP"},
        values={"x": seconds(*MARCH[:2])},
    ),
    "timestamps with and without a zone": Case(
        {
            "a.parquet": table([datetime(2024, 3, 1)], pa.timestamp("us")),
            "b.parquet": table([datetime(2024, 3, 2)], UTC_TIME, 1),
        },
        line=(
            "b.parquet: column 'x': found type TIMESTAMP WITH TIME ZONE; expected TIMESTAMP, as "
            "in a.parquet; or prepare.types: {x: …} for both"
        ),
    ),
    "timestamps with and without a zone, set": Case(
        {
            "a.parquet": table([datetime(2024, 3, 1)], pa.timestamp("us")),
            "b.parquet": table([datetime(2024, 3, 2)], UTC_TIME, 1),
        },
        {"types": {"x": "timestamptz"}},
        {"x": "TIMESTAMP WITH TIME ZONE"},
        {"x": seconds(*MARCH[:2])},
    ),
    "numbers and text": Case(
        {"a.parquet": table([1], pa.int64()), "b.parquet": table(["a"], pa.string(), 1)},
        line="b.parquet: column 'x': found type VARCHAR; expected BIGINT, as in a.parquet",
    ),
    "numbers and text, as text": Case(
        {"a.parquet": table([1], pa.int64()), "b.parquet": table(["a"], pa.string(), 1)},
        {"types": {"x": "varchar"}},
        {"x": "VARCHAR"},
        {"x": ["1", "a"]},
    ),
    "a dictionary and text": Case(
        {
            "a.parquet": table(["a"], pa.dictionary(pa.int32(), pa.string())),
            "b.parquet": table(["b"], pa.large_string(), 1),
        },
        types={"x": "VARCHAR"},
        values={"x": ["a", "b"]},
    ),
    "columns in other orders": Case(
        {
            "a.parquet": table([1.5], pa.float64()),
            "b.parquet": table([2.5], pa.float64(), 1).select(["y", "f", "x"]),
            "c.parquet": table([3.5], pa.float64(), 2),
        },
        types={"x": "DOUBLE"},
        values={"x": [1.5, 2.5, 3.5]},
    ),
    "text that is given a type": Case(
        {"a.parquet": table(["1", "2"], pa.string())},
        {"types": {"x": "int"}},
        {"x": "INTEGER"},
        {"x": [1, 2]},
    ),
    "text dates that are given a format": Case(
        {"a.parquet": table(DM, pa.string())},
        {"csv": {"dates": {"x": "%d/%m/%Y"}}},
        {"x": "DATE"},
        {"x": seconds(*MARCH)},
    ),
    "whole floats that are given a type": Case(
        {"a.parquet": table([1.0, None, 3.0], pa.float64())},
        {"types": {"x": "Int"}},
        {"x": "INTEGER"},
        {"x": [1, None, 3]},
    ),
    "a fraction that is given a whole type": Case(
        {"a.parquet": table([1.0, 1.5], pa.float64())},
        {"types": {"x": "INTEGER"}},
        line="a.parquet: row 2: column 'x': found '1.5'; expected whole numbers",
    ),
    "a number too large for its type": Case(
        {"a.parquet": table([1, 300], pa.int64())},
        {"types": {"x": "TINYINT"}},
        line="a.parquet: row 2: column 'x': found '300'",
    ),
    "numbers that are given text": Case(
        {"a.parquet": table([1, 2], pa.int64())},
        {"types": {"x": "String"}},
        {"x": "VARCHAR"},
        {"x": ["1", "2"]},
    ),
    "a type that is none": Case(
        {"a.parquet": table([1, 2], pa.int64())},
        {"types": {"x": "INTEGRE"}},
        line="prepare.types.x: found 'INTEGRE'; expected a type of DuckDB",
    ),
    "lists": Case(
        {"a.parquet": table([[1], [2]], pa.list_(pa.int64()))},
        line=(
            "column 'x': found type BIGINT[]; expected numbers, text or times; else list it in "
            "prepare.drop"
        ),
    ),
    "a cut off file": Case(
        {"a.parquet": b"PAR1 and no more"}, line="a whole Parquet file: fetch or write it again"
    ),
    "Parquet beside CSV": Case(
        {"a.parquet": table([1], pa.int64()), "b.csv": comma("1")},
        line="Parquet, CSV or TSV files alone",
    ),
}
GZIP = gzip.compress(comma("1", "2").encode()) + gzip.compress(b"3,2\n")
LATIN = comma("é", "ü").encode("latin-1")
FILES = {
    "semicolons": Case(
        {"a.csv": text("a,b", "c")}, types={"x": "VARCHAR"}, values={"x": ["a,b", "c"]}
    ),
    "tabs": Case(
        {"a.tsv": text("a,b", "c;d", sep="\t")},
        types={"x": "VARCHAR"},
        values={"x": ["a,b", "c;d"]},
    ),
    "packed tabs": Case(
        {"a.tsv.gz": gzip.compress(text("a", "b", sep="\t").encode())},
        types={"x": "VARCHAR"},
        values={"x": ["a", "b"]},
    ),
    "bars": Case(
        {"a.csv": text("a", "b", sep="|")}, types={"x": "VARCHAR"}, values={"x": ["a", "b"]}
    ),
    "a delimiter of one's own": Case(
        {"a.csv": text("1", "2", sep="^")},
        {"csv": {"delimiter": "^"}},
        {"x": "BIGINT"},
        {"x": [1, 2]},
    ),
    "two delimiters that fit": Case(
        {"a.csv": "x;f,y\n1;1,0\n2;2,1\n"},
        line=(
            "a.csv: found lines that ',' and ';' split alike; expected params.yaml: "
            "prepare.csv.delimiter"
        ),
    ),
    "delimiters that differ": Case(
        {"a.csv": comma("1", "2"), "b.csv": text("1")},
        line="b.csv: found delimiter ';'; expected ',', as in a.csv: convert one of them",
    ),
    "columns in another order": Case(
        {"a.csv": keyed("a", "b"), "b.csv": "y,f,x\n2,7,c\n", "c.csv": keyed("d", start=3)},
        types={"x": "VARCHAR"},
        values={"x": ["a", "b", "c", "d"], "f": [0, 1, 7, 0]},
    ),
    "a column that one file lacks": Case(
        {"a.csv": comma("1", "2"), "b.csv": "z,y\n1,2\n"},
        line="b.csv: found no column 'x'; expected the columns of a.csv",
    ),
    "quotes": Case(
        {"a.csv": comma('"a,b"', '"c""d"', '"e\nf"', 'g"h')},
        types={"x": "VARCHAR"},
        values={"x": ["a,b", 'c"d', "e\nf", 'g"h']},
    ),
    "spaces around quotes": Case(
        {"a.csv": comma(' "a"', '"b" ')},
        types={"x": "VARCHAR"},
        values={"x": [' "a"', "b "]},
        line="a.csv:3: found quotes that don't match",
    ),
    "a quote that never ends": Case(
        {"a.csv": comma('"a', "b", "c")},
        line="a.csv:2: found quotes that don't match (unexpected end of data)",
    ),
    "quotes that are none": Case(
        {"a.csv": comma('"a', "b")}, {"csv": {"quote": ""}}, {"x": "VARCHAR"}, {"x": ['"a', "b"]}
    ),
    "single quotes": Case(
        {"a.csv": comma("'a,b'", "c")},
        {"csv": {"quote": "'"}},
        {"x": "VARCHAR"},
        {"x": ["a,b", "c"]},
    ),
    "too many values": Case(
        {"a.csv": comma("1", "2,9", "3")},
        line=(
            "a.csv:3: found 3 values; expected 2, as in the header: mend the line, or quote its "
            "values"
        ),
    ),
    "an empty value too many": Case({"a.csv": "x,y\n1,0,\n2,1,\n"}, line="a.csv:2: found 3 values"),
    "too few values": Case({"a.csv": "x,y\n1,0\n2\n3,2\n"}, line="a.csv:3: found 1 values"),
    "lines that end in other ways": Case(
        {"a.csv": b"x,y\r\n1,0\n2,1\r\n3,2\r"}, types={"x": "BIGINT"}, values={"x": [1, 2, 3]}
    ),
    "empty lines": Case(
        {"a.csv": "x,y\n1,0\n\n2,1\n\n\n"}, types={"x": "BIGINT"}, values={"x": [1, 2]}
    ),
    "an empty first line": Case(
        {"a.csv": "\nx,y\n1,0\n"},
        line="a.csv:1: found an empty line; expected the names of the columns",
    ),
    "no newline at the end": Case(
        {"a.csv": "x,y\n1,0\n2,1"}, types={"x": "BIGINT"}, values={"x": [1, 2]}
    ),
    "a mark of UTF-8": Case(
        {"a.csv": b"\xef\xbb\xbf" + comma("1", "2").encode()},
        types={"x": "BIGINT"},
        values={"x": [1, 2]},
    ),
    "UTF-16": Case(
        {"a.csv": comma("1", "2").encode("utf-16")},
        line=(
            "a.csv: found UTF-16; expected UTF-8 (`iconv -f utf-16 -t utf-8 a.csv > new.csv` "
            "converts it), or params.yaml: prepare.csv.encoding: utf-16"
        ),
    ),
    "UTF-16 without a mark": Case(
        {"a.csv": comma("1", "2").encode("utf-16-le")}, line="found UTF-16"
    ),
    "UTF-16, set": Case(
        {"a.csv": comma("é", "ü").encode("utf-16")},
        {"csv": {"encoding": "utf-16"}},
        {"x": "VARCHAR"},
        {"x": ["é", "ü"]},
    ),
    "Latin-1": Case(
        {"a b.csv": LATIN},
        line=(
            "found byte 0xe9, which is not utf-8; expected UTF-8 (`iconv -f latin1 -t utf-8 'a "
            "b.csv' > new.csv` converts it)"
        ),
    ),
    "Latin-1, set": Case(
        {"a.csv": LATIN}, {"csv": {"encoding": "latin1"}}, {"x": "VARCHAR"}, {"x": ["é", "ü"]}
    ),
    "Windows' code page, set": Case(
        {"a.csv.gz": gzip.compress(comma("€", "ü").encode("cp1252"))},
        {"csv": {"encoding": "cp1252"}},
        {"x": "VARCHAR"},
        {"x": ["€", "ü"]},
    ),
    "an encoding that is none": Case(
        {"a.csv": LATIN}, {"csv": {"encoding": "latin-one"}}, line="an encoding that Python knows"
    ),
    "one sign for two things": Case(
        {"a.csv": comma("1")},
        {"csv": {"decimal": ",", "thousands": ","}},
        line="another sign for thousands than the decimal mark",
    ),
    "a delimiter of no use": Case(
        {"a.csv": comma("1")},
        {"csv": {"delimiter": "§"}},
        line="a delimiter of one ASCII character",
    ),
    "gzip in two members": Case({"a.csv.gz": GZIP}, types={"x": "BIGINT"}, values={"x": [1, 2, 3]}),
    "gzip that is cut off": Case(
        {"a.csv.gz": GZIP[:-9]}, line="expected a whole gzip file: fetch or pack it again"
    ),
    "gzip that is none": Case({"a.csv.gz": comma("1").encode()}, line="expected a whole gzip file"),
    "an empty file": Case(
        {"a.csv": comma("1"), "b.csv": ""},
        line="b.csv: found an empty file; expected a header and rows; else remove it",
    ),
    "a file without rows": Case(
        {"a.csv": comma("1", "2"), "b.csv": "x,y\n"}, types={"x": "BIGINT"}, values={"x": [1, 2]}
    ),
    "names that differ in case": Case(
        {"a.csv": "x,X,y\n1,2,3\n"},
        line="a.csv: found columns 'x' and 'X'; expected names that differ: rename one in the file",
    ),
    "a name that stands twice": Case(
        {"a.csv": "x,x,y\n1,2,3\n"}, line="a.csv: found columns 'x' and 'x'"
    ),
    "pandas' index": Case(
        {"a.csv": ",x,y\n0,7,0\n1,8,1\n", "b.csv": ",x,y\n0,9,2\n"},
        types={"x": "BIGINT"},
        values={"x": [7, 8, 9]},
        says="no feature: (column 1): it counts the rows, as pandas' index",
    ),
    "pandas' index, twice": Case(
        {"a.csv": ",Unnamed: 0,x,y\n0,0,7,0\n1,2,8,1\n"},
        types={"x": "BIGINT"},
        values={"x": [7, 8]},
        says="no feature: Unnamed: 0: it counts the rows",
    ),
    "pandas' index in Parquet": Case(
        {
            "a.parquet": table([3.5, 4.5], pa.float64()).append_column(
                "__index_level_0__", pa.array([4, 9])
            )
        },
        types={"x": "DOUBLE", "f": "BIGINT"},
        says="no feature: __index_level_0__: it counts the rows",
    ),
    "another column without a name": Case(
        {"a.csv": ",x,y\n3,7,0\n1,8,1\n"},
        line=(
            "a.csv:1: found no name for column 1; expected a name in the header; else "
            "prepare.drop: ['(column 1)'] leaves it out"
        ),
    ),
    "another column without a name, dropped": Case(
        {"a.csv": ",x,y\n3,7,0\n1,8,1\n"}, {"drop": ["(column 1)"]}, {"x": "BIGINT"}, {"x": [7, 8]}
    ),
    "a delimiter at the end of each line": Case(
        {"a.csv": "x,y,\n7,0,\n8,1,\n"},
        types={"x": "BIGINT"},
        values={"x": [7, 8]},
        says="no feature: (column 3): it has no name and no value",
    ),
    "brackets": Case(
        {"x[1].csv": comma("1"), "x1.csv": comma("2", start=1)},
        types={"x": "BIGINT"},
        values={"x": [1, 2]},
    ),
    "names that are patterns": Case(
        {
            "a*/b?.parquet": table([1], pa.int64()),
            "ab/bc.parquet": table([2], pa.int64(), 1),
            'a[b]/b\'s "*".parquet': table([3], pa.int64(), 2),
        },
        types={"x": "BIGINT"},
        values={"x": [1, 2, 3]},
    ),
    "names that look like Hive's": Case(
        {"k=1/a.parquet": table([1], pa.int64()), "k=2/a.parquet": table([2], pa.int64(), 1)},
        types={"x": "BIGINT", "f": "BIGINT"},
    ),
    "quotes in the names of columns": Case(
        {"a.csv": 'x,"a ""b\'c"\'\'",y\n1,5,0\n2,6,1\n'.replace("'", "")},
        types={"x": "BIGINT"},
        line="quotes that don't match",
    ),
    "odd names of columns": Case(
        {"a.csv": '"it\'s ""x""",a;b,y\n1,5,0\n2,6,1\n'},
        types={'it\'s "x"': "BIGINT", "a;b": "BIGINT"},
        values={'it\'s "x"': [1, 2], "a;b": [5, 6]},
    ),
}
SPLIT = {"column": "s"}
TOLD = {
    "an empty column": Case(
        {"a.csv": "x,e,y\n1,,0\n2,,1\n"},
        types={"x": "BIGINT"},
        says="no feature: e: no value in any row",
    ),
    "a constant column": Case(
        {"a.csv": "x,e,y\n1,5,0\n2,5,1\n"},
        types={"x": "BIGINT"},
        says="no feature: e: the same value in all rows",
    ),
    "one text, or missing": Case(
        {"a.csv": "x,e,y\n1,a,0\n2,,1\n"}, types={"x": "BIGINT", "e": "VARCHAR"}
    ),
    "a constant pixel": Case(
        {"a.parquet": table([0, 0], pa.uint8())}, types={"x": "UTINYINT", "f": "BIGINT"}
    ),
    "near-unique text": Case(
        {"a.csv": keyed("a", "b", "c")},
        {"max_categories": 2},
        {"f": "BIGINT"},
        says=(
            "no feature: x: text of over 2 distinct values (prepare.max_categories); a key goes "
            "in prepare.id, free text in prepare.drop"
        ),
    ),
    "text that hardly repeats": Case(
        {"a.csv": keyed(*[f"t{i % 160}" for i in range(300)])},
        {"max_categories": 10_000},
        {"f": "BIGINT"},
        says=(
            "no feature: x: text of over 150 distinct values in 300 rows; a key goes in "
            "prepare.id, free text in prepare.drop"
        ),
    ),
    "text of many values that repeat": Case(
        {"a.csv": keyed(*[f"t{i % 150}" for i in range(300)])},
        {"max_categories": 10_000},
        {"x": "VARCHAR", "f": "BIGINT"},
    ),
    "many classes": Case(
        {"a.csv": comma(*[f"c{i % 200}" for i in range(400)])},
        {"target": "x", "task": "classification"},
        {"y": "BIGINT"},
    ),
    "a class a row": Case(
        {"a.csv": comma(*[f"c{i}" for i in range(50)])},
        {"target": "x", "task": "classification"},
        line=(
            "prepare.target: column 'x': found over 25 classes in 50 rows; expected task: "
            "regression, or fewer classes"
        ),
    ),
    "one class": Case(
        {"a.csv": comma("a", "a")},
        {"target": "x", "task": "classification"},
        line="found 1 class(es); expected 2 or more; more rows, or another target",
    ),
    "text to regress": Case(
        {"a.csv": comma("a", "b")},
        {"target": "x"},
        line=(
            "found type VARCHAR; expected numbers, as prepare.task is regression; for classes: "
            "classification"
        ),
    ),
    "dates as classes": Case(
        {"a.csv": comma("2024-01-01", "2024-01-02")},
        {"target": "x", "task": "classification"},
        line="prepare.types: {x: VARCHAR} makes it text",
    ),
    "classes beyond 64 bits": Case(
        {"a.csv": comma(LONG, LONG + "0", LONG, LONG + "0")},
        {"target": "x", "task": "classification"},
        values={"x": [LONG, LONG + "0"] * 2},
    ),
    "splits in any case": Case(
        {"a.csv": "x,s,y\n1,Train,0\n2,TEST,1\n3, val ,2\n"},
        {"split": SPLIT},
        {"x": "BIGINT"},
        {"x": [1, 2, 3]},
    ),
    "splits of other names": Case(
        {"a.csv": "x,s,y\n1,training,0\n2,TEST,1\n"},
        {"split": SPLIT},
        line=(
            "column 's': found 'training'; expected train, val or test in every row; else "
            "params.yaml: prepare.split.names: {'training': train}, or val or test"
        ),
    ),
    "splits of other names, mapped": Case(
        {"a.csv": "x,s,y\n1,training,0\n2,TEST,1\n3,Dev,2\n"},
        {"split": {**SPLIT, "names": {"Training": "train", "dev": "val"}}},
        {"x": "BIGINT"},
        {"x": [1, 2, 3]},
    ),
    "splits that are numbers": Case(
        {"a.csv": "x,s,y\n1,0,0\n2,1,1\n"},
        {"split": {**SPLIT, "names": {"0": "train", "1": "test"}}},
        {"x": "BIGINT"},
        {"x": [1, 2]},
    ),
}
CASES = NUMBERS | TIMES | KEYS | WIDTHS | FILES | TOLD


@pytest.mark.parametrize("name", CASES)
def test_a_small_table_is_read_one_way_or_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    if case.line:
        with pytest.raises((InputError, ValidationError)) as e:
            prepare(case, tmp_path)
        assert case.line in str(e.value)
        assert "\n" not in str(e.value) or isinstance(e.value, ValidationError)
        return
    schema, rows = prepare(case, tmp_path)
    types = {column.name: column.type for column in schema.columns}
    assert {name: types.get(name) for name in case.types} == case.types
    for column, values in case.values.items():
        assert rows.column(column).to_pylist() == values
    assert case.says in capsys.readouterr().out


def test_a_page_that_differs_from_its_checksum_is_refused(tmp_path: Path) -> None:
    """DuckDB reads it as it is: one digit of a value would be another."""
    raw = tmp_path / "raw"
    raw.mkdir()
    path = raw / "a.parquet"
    columns = {"x": list(range(1000, 2000)), "y": list(range(1000))}
    form = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(pa.table(columns), path, **form)
    whole = path.read_bytes()
    digits = (1500).to_bytes(8, "little")
    assert whole.count(digits) == 1
    path.write_bytes(whole.replace(digits, (1501).to_bytes(8, "little")))
    params = Params.model_validate({"prepare": {"seed": 1, "target": "y", "task": "regression"}})
    with pytest.raises(InputError, match=r"a whole Parquet file: fetch or write it again$"):
        run(params, raw, tmp_path / "out")
