"""Decides how the text of raw tables is read: one type and one format a column, for all files."""

import re
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import itemgetter

import duckdb

from src.errors import InputError, one_of, shown
from src.schema import Format
from src.tables.connection import Connection
from src.tables.format import Csv
from src.tables.raw import Part, Types, by_file, count_rows, first_misfit, misfit_in, stored_rows
from src.tables.readings import (
    ISO_UTC,
    ZONED,
    Family,
    Reading,
    date_formats,
    date_reading,
    disguises,
    fits_any,
    full_match,
    iso_readings,
    number_pattern,
    number_reading,
)
from src.tables.sql import ident, text
from src.tables.wider import widest

MOST = 0.9  # of a column's values; where so many are numbers or times, the others are errors
FIRST = 100  # rows that show which readings are worth a test
SHORT = 18  # digits that BIGINT always holds
WIDE = "DECIMAL(38,0)"  # of whole numbers beyond 64 bits


@dataclass
class Decision:
    """Says what the columns are read as."""

    format: Format
    rows: int
    types: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # column: what is worth saying of it

    def add(self, name: str, type_: str, date: str = "") -> None:
        """Set a column's type, and its format of times where it has one."""
        self.types[name] = type_
        if date:
            dates = {**self.format.dates, name: date}
            self.format = self.format.model_copy(update={"dates": dates})


def decide(
    con: Connection, table: list[Part], form: Format, csv: Csv, given: Types, names: list[str]
) -> Decision:
    """Decide the types of the named columns, and the formats of those that are text.

    given: types that params name. Raises InputError for what has several meanings, or none, and
    for a value that does not fit what params say.
    """
    check_dates(con, csv, table)
    rows = 0
    for part in by_file(table):
        rows += count_rows(part.paths[0], form)
    decision = Decision(form, rows)
    asked, texts = {}, []
    for name in names:
        if name in given or name in csv.dates:
            date = csv.dates.get(name, "")
            type_ = given.get(name) or date_reading("x", name, date).type
            asked[name] = known_type(con, name, type_)
            decision.add(name, asked[name], date or implied_date(table, name, asked[name]))
        elif table[0].is_text:
            texts.append(name)
        else:
            decision.add(name, widest(table, name))
    check_asked(con, table, decision.format, asked)
    decide_texts(con, table, decision, texts)
    decision.types = {name: decision.types[name] for name in names}
    return decision


def implied_date(table: list[Part], name: str, type_: str) -> str:
    """Find the format of times that goes with a type which params name, where there is one."""
    stored = {part.types[name] for part in table}
    if type_ == ZONED and stored == {"VARCHAR"}:
        return ISO_UTC
    return ""


def check_asked(con: Connection, table: list[Part], form: Format, asked: Types) -> None:
    """Raise InputError for a value that does not fit the type that params name."""
    misfit = first_misfit(con, table, form, asked)
    if misfit:
        fix = f"{misfit.expected}; or prepare.csv.nulls, if it means a missing value"
        raise InputError(misfit.where, shown(misfit.value), fix)


def known_type(con: Connection, name: str, type_: str) -> str:
    """Ask DuckDB for its own name of a type; raise InputError if it knows none."""
    try:
        return str(con.type(type_))
    except duckdb.Error:
        rows = con.execute("SELECT DISTINCT upper(type_name) FROM duckdb_types() ORDER BY 1")
        known = [str(name) for (name,) in rows.fetchall()]
        where = f"params.yaml: prepare.types.{name}"
        raise InputError(where, shown(type_), f"a type of DuckDB: {one_of(known, type_)}") from None


def check_dates(con: Connection, csv: Csv, table: list[Part]) -> None:
    """Raise InputError for a format of dates that is none, or of a column that is not there."""
    for name, date in csv.dates.items():
        where = f"params.yaml: prepare.csv.dates.{name}"
        if name not in table[0].types:
            raise InputError(where, f"no column {name!r}", one_of(table[0].types, name))
        type_ = table[0].types[name]
        if type_ != "VARCHAR":
            raise InputError(where, f"a column of type {type_}", "a column of text")
        if not is_date_format(con, date):
            raise InputError(where, shown(date), "a format of strptime, as %d/%m/%Y")


def is_date_format(con: Connection, date: str) -> bool:
    """Tell whether DuckDB's strptime reads dates by this format."""
    try:
        query = f"SELECT strptime(strftime(DATE '2024-03-25', {text(date)}), {text(date)})"
        con.execute(query).fetchall()
    except duckdb.Error:
        return False
    return "%" in date


# Columns of text


@dataclass(frozen=True)
class Facts:
    """Counts what a text column's values look like."""

    name: str
    samples: list[str]
    likely: str  # its type, if its values are numbers
    present: int
    fitting: int  # that are numbers of the likely type
    longest: int  # bytes

    @property
    def are_numbers(self) -> bool:
        """Tell whether the likely type holds every value, so that no other reading is tried."""
        is_held = self.likely == "DOUBLE" or self.longest <= SHORT
        return self.fitting == self.present and is_held


def decide_texts(con: Connection, table: list[Part], decision: Decision, names: list[str]) -> None:
    """Decide the columns of text: most by what a first pass counts, the others by a second."""
    form = decision.format
    rows = stored_rows(con, table, form, names)
    open_: list[tuple[Facts, list[Reading]]] = []
    for facts in survey(con, rows, form, names, decision.rows):
        if facts.present == 0:
            decision.add(facts.name, "VARCHAR")
        elif facts.are_numbers:
            decision.add(facts.name, facts.likely)
        else:
            open_.append((facts, readings_of(form, facts)))
    fits = []
    for _, readings in open_:
        fits += [reading.fits for reading in readings]
    counted = iter(count_rows_where(con, rows, fits))
    for facts, readings in open_:
        counts = list(islice(counted, len(readings)))
        reading = Judge(con, table, form, facts, readings, counts).reading()
        decision.add(facts.name, reading.type, reading.date)
        if reading.note:
            decision.notes[facts.name] = reading.note


def survey(
    con: Connection, rows: str, form: Format, names: list[str], expected: int
) -> list[Facts]:
    """Gather the facts of text columns over all rows.

    expected: how many these are. Raises InputError where other rows are read.
    """
    samples = first_values(con, rows, names)
    whole = re.compile(number_pattern(form, zeros=False, whole=True))
    likely = []
    selected = ["count(*)"]
    for name in names:
        # The guess spares all rows one of two tests; what is decided does not depend on it.
        is_whole = all(map(whole.fullmatch, samples[name]))
        guess = "BIGINT" if is_whole else "DOUBLE"
        likely.append(guess)
        column = ident(name)
        pattern = number_pattern(form, zeros=False, whole=is_whole)
        selected += [
            f"count({column})",
            f"count(*) FILTER ({full_match(column, pattern)})",
            f"coalesce(max(strlen({column})), 0)",
            f"min({column})",
            f"max({column})",
        ]
    (row,) = con.execute(f"SELECT {', '.join(selected)} FROM {rows}").fetchall()
    count, *values = row
    if count != expected:
        raise InputError("the raw tables", f"{count} rows read", f"{expected}, as the files have")
    found = []
    for i, (name, type_) in enumerate(zip(names, likely, strict=True)):
        present, fitting, longest, low, high = values[5 * i : 5 * i + 5]
        known = [value for value in {low, high, *samples[name]} if value is not None]
        found.append(Facts(name, sorted(known), type_, present, fitting, longest))
    return found


def first_values(con: Connection, rows: str, names: list[str]) -> dict[str, list[str]]:
    """Read the values that text columns have in the first rows."""
    columns = list(map(ident, names)) or ["1"]
    selected = []
    for column in columns:
        present = f"list({column}) FILTER ({column} IS NOT NULL)"
        selected.append(f"coalesce({present}, [])")
    query = f"SELECT {', '.join(selected)} FROM (FROM {rows} LIMIT {FIRST})"
    (row,) = con.execute(query).fetchall()
    return dict(zip(names, row, strict=False))


def readings_of(form: Format, facts: Facts) -> list[Reading]:
    """List the ways in which a column might be read: those that fit some of its samples.

    Those that need no setting come first.
    """
    name, column = facts.name, ident(facts.name)
    whole = number_reading(column, "BIGINT", form, zeros=False)
    digits = full_match(column, whole.pattern)
    long = "text, as its whole numbers have more than 38 digits"
    padded = f"text, as its numbers begin with zeros; prepare.types: {{{name}: DOUBLE}} reads them"
    plain = [
        whole,
        number_reading(column, WIDE, form, zeros=False),
        replace(whole, type="VARCHAR", fits=digits, note=long),  # as floats they lose digits
        number_reading(column, "DOUBLE", form, zeros=False),
        *iso_readings(column),
        replace(number_reading(column, "DOUBLE", form), type="VARCHAR", note=padded),
    ]
    found = [reading for reading in plain if fits_any(reading.pattern, facts.samples)]
    formats: dict[str, None] = {}
    for sample in facts.samples:
        formats |= dict.fromkeys(date_formats(sample))
    found += [date_reading(column, name, date) for date in formats]
    for other, setting in disguises(form, facts.samples):
        numbers = number_reading(column, "DOUBLE", other, zeros=False)
        found.append(replace(numbers, setting=setting))
    return found


def count_rows_where(con: Connection, rows: str, conditions: list[str]) -> list[int]:
    """Count the rows that meet each of the conditions."""
    if not conditions:
        return []
    selected = [f"count(*) FILTER ({condition})" for condition in conditions]
    (row,) = con.execute(f"SELECT {', '.join(selected)} FROM {rows}").fetchall()
    return list(row)


@dataclass
class Judge:
    """Decides one column of text, with the numbers of values that fit each reading."""

    con: Connection
    table: list[Part]
    form: Format
    facts: Facts
    readings: list[Reading]
    counts: list[int]

    @property
    def as_text(self) -> str:
        """Write the params by which the column is text."""
        return f"prepare.types: {{{self.facts.name}: VARCHAR}} if it is text"

    def reading(self) -> Reading:
        """Find the one reading that fits every value; else the column is text.

        Raises InputError where several fit, one that needs a setting, or one that almost fits.
        """
        pairs = zip(self.readings, self.counts, strict=True)
        fitting = [reading for reading, count in pairs if count == self.facts.present]
        if not fitting:
            self.check_mixed()
            return Reading("other", "VARCHAR", "true", ident(self.facts.name), "text")
        first = fitting[0]
        is_one_date = first.family == "times" and len(fitting) == 1
        if first.setting and not is_one_date:
            raise self.ambiguous(fitting)
        return first

    def ambiguous(self, readings: list[Reading]) -> InputError:
        """Say that dates can be read in two ways, or numbers by a setting."""
        where = f"{self.table[0].paths[0]}: column {self.facts.name!r}"
        if readings[0].family == "times":
            names = " and ".join(reading.name for reading in readings)
            found = f"dates such as {shown(self.facts.samples[0])}, which can be {names}"
            settings = " or ".join(reading.setting for reading in readings)
            return InputError(where, found, f"in params.yaml {settings}")
        found = f"numbers such as {shown(self.facts.samples[-1])}"
        simplest: dict[str, str] = {}
        for reading in readings:  # simpler ones first
            simplest.setdefault(reading.decimal, reading.setting)
        settings = " or ".join(simplest.values())
        return InputError(where, found, f"in params.yaml {settings}; or {self.as_text}")

    def fits_family(self, family: Family) -> str:
        """Write the condition that a value fits any reading of the family."""
        conditions = ["false"]
        for reading in self.readings:
            if reading.family == family:
                conditions.append(f"coalesce({reading.fits}, false)")
        return " OR ".join(conditions)

    def check_mixed(self) -> None:
        """Raise InputError where values are numbers or times of several forms, or most are."""
        if not self.readings:
            return
        rows = stored_rows(self.con, self.table, self.form, [self.facts.name])
        families = [self.fits_family("numbers"), self.fits_family("times")]
        totals = count_rows_where(self.con, rows, families)
        count, most = max(zip(self.counts, self.readings, strict=True), key=itemgetter(0))
        if self.facts.present in totals:
            fix = "one way to write them in all rows and files"
        elif count >= MOST * self.facts.present:
            fix = f"{most.name}; or the word in prepare.csv.nulls, if it means a missing value"
        else:
            return
        misfit = misfit_in(self.con, self.table, self.form, self.facts.name, most)
        assert misfit is not None
        found = f"{shown(misfit.value)}, where most values are {most.name}"
        raise InputError(misfit.where, found, f"{fix}; or {self.as_text}")
