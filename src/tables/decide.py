"""Decides how the text of raw tables is read: one type and one format a column, for all files."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from src.errors import InputError, one_of, shown
from src.schema import Format
from src.tables.connection import Connection
from src.tables.format import Csv
from src.tables.raw import Part, Types, columns_of, count_rows, misfit_in, reading, relation
from src.tables.readings import (
    ISO_UTC,
    ZONED,
    Reading,
    date_formats,
    date_reading,
    disguises,
    full_match,
    iso_readings,
    number_pattern,
    number_reading,
)
from src.tables.sql import text
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


@dataclass(frozen=True)
class Facts:
    """Counts what a text column's values look like."""

    present: int
    fitting: int  # that are numbers of the likely type
    longest: int  # bytes
    low: str | None
    high: str | None

    @property
    def ends(self) -> list[str]:
        """Return the first and the last value, in the order of text."""
        return [value for value in (self.low, self.high) if value is not None]

    def plus(self, other: "Facts") -> "Facts":
        """Add the facts of another file."""
        samples = self.ends + other.ends
        return Facts(
            self.present + other.present,
            self.fitting + other.fitting,
            max(self.longest, other.longest),
            min(samples, default=None),
            max(samples, default=None),
        )


def decide(
    con: Connection, table: list[Part], form: Format, csv: Csv, given: Types, names: list[str]
) -> Decision:
    """Decide the types of the named columns, and the formats of those that are text.

    given: types that params name. Raises InputError for what has several meanings, or none.
    """
    given = {name: known_type(con, name, type_) for name, type_ in given.items()}
    check_dates(con, csv, table)
    texts = [name for name in names if is_text(table, name) and is_decided(table, name, given, csv)]
    rows = count_files(table, form)
    samples = first_values(con, table[0], form, texts)
    likely = {name: likely_type(values, form) for name, values in samples.items()}
    facts = survey(con, table, form, likely, rows)
    decision = Decision(form, sum(rows.values()))
    for name in names:
        if name not in texts:
            decision.types[name] = given.get(name) or widest(table, name)
    for name in texts:
        if name in given or name in csv.dates:
            settle(name, given.get(name), csv.dates.get(name), decision)
            del likely[name]
    decide_texts(con, table, decision, likely, facts, samples)
    check_given(con, table, decision, {*given, *csv.dates})
    decision.types = {name: decision.types[name] for name in names}
    return decision


def is_text(table: list[Part], name: str) -> bool:
    """Tell whether a column is stored as text in all files."""
    return all(part.types[name] == "VARCHAR" for part in table)


def is_decided(table: list[Part], name: str, given: Types, csv: Csv) -> bool:
    """Tell whether the type of a text column is to be found: of Parquet only where params ask."""
    if given.get(name) == "VARCHAR":
        return False
    return table[0].is_text or name in given or name in csv.dates


def known_type(con: Connection, name: str, type_: str) -> str:
    """Ask DuckDB for its own name of a type; raise InputError if it knows none."""
    try:
        return str(con.type(type_))
    except duckdb.Error:
        rows = con.execute("SELECT DISTINCT type_name FROM duckdb_types()").fetchall()
        known = sorted({str(row[0]).upper() for row in rows})
        where = f"params.yaml: prepare.types.{name}"
        raise InputError(where, shown(type_), f"a type of DuckDB: {one_of(known, type_)}") from None


def check_dates(con: Connection, csv: Csv, table: list[Part]) -> None:
    """Raise InputError for a format of dates that is none, or of a column that is not there."""
    for name, date in csv.dates.items():
        where = f"params.yaml: prepare.csv.dates.{name}"
        if name not in table[0].types:
            raise InputError(where, f"no column {name!r}", one_of(table[0].types, name))
        if not is_text(table, name):
            raise InputError(where, f"a column of type {table[0].types[name]}", "a column of text")
        try:
            con.execute(f"SELECT try_strptime('', {text(date)})")
        except duckdb.Error:
            raise InputError(where, shown(date), "a format of strptime, as %d/%m/%Y") from None
        if "%" not in date:
            raise InputError(where, shown(date), "a format of strptime, as %d/%m/%Y")


# What is there


def first_values(
    con: Connection, part: Part, form: Format, names: list[str]
) -> dict[str, list[str]]:
    """Read the values that text columns have in the first rows."""
    if not names:
        return {}
    listed = [f"list({c}) FILTER ({c} IS NOT NULL)" for c in columns_of(part, names)]
    first = f"SELECT * FROM {relation(con, part, form)} LIMIT {FIRST}"
    row = con.execute(f"SELECT {', '.join(listed)} FROM ({first})").fetchone()
    assert row is not None
    return {name: values or [] for name, values in zip(names, row, strict=True)}


def likely_type(samples: list[str], form: Format) -> str:
    """Guess by some values whether a column's numbers are whole.

    It spares all rows one of two tests; what the column is read as does not depend on the guess.
    """
    whole = re.compile(number_pattern(form, zeros=False, whole=True))
    return "BIGINT" if all(map(whole.fullmatch, samples)) else "DOUBLE"


def count_files(table: list[Part], form: Format) -> dict[Path, int]:
    """Count the rows of each file without DuckDB; InputError names the line of a broken one."""
    return {path: count_rows(path, form) for part in table for path in part.paths}


def survey(
    con: Connection,
    table: list[Part],
    form: Format,
    likely: dict[str, str],
    rows: dict[Path, int],
) -> dict[str, Facts]:
    """Read each file once, and gather the facts of text columns over all files.

    likely: their likely types; rows: what each file has. Raises InputError where other rows are
    read.
    """
    facts = dict.fromkeys(likely, Facts(0, 0, 0, None, None))
    for part in table:
        for one in part.each():
            count, found = survey_file(con, one, form, likely)
            (path,) = one.paths
            if count != rows[path]:
                fix = f"{rows[path]}, as the file has: is it being written?"
                raise InputError(path, f"{count} rows read", fix)
            facts = {name: facts[name].plus(found[name]) for name in facts}
    return facts


def survey_file(
    con: Connection, part: Part, form: Format, likely: dict[str, str]
) -> tuple[int, dict[str, Facts]]:
    """Count the rows of a file, and gather the facts of its columns."""
    selected = ["count(*)"]
    for column, type_ in zip(columns_of(part, likely), likely.values(), strict=True):
        pattern = number_pattern(form, zeros=False, whole=type_ == "BIGINT")
        selected += [
            f"count({column})",
            f"count(*) FILTER ({full_match(column, pattern)})",
            f"coalesce(max(strlen({column})), 0)",
            f"min({column})",
            f"max({column})",
        ]
    row = con.execute(f"SELECT {', '.join(selected)} FROM {relation(con, part, form)}").fetchone()
    assert row is not None
    count, *values = row
    facts = [Facts(*values[i : i + 5]) for i in range(0, len(values), 5)]
    return count, dict(zip(likely, facts, strict=True))


# What it is read as


@dataclass(frozen=True)
class Choice:
    """Holds the ways in which a column of text might be read."""

    plain: list[Reading]  # those that need no setting; the first that fits is taken
    dates: list[Reading]  # of these only one may fit
    disguised: list[Reading]  # those that need a setting
    padded: list[Reading]  # numbers that may begin with zeros

    @property
    def all(self) -> list[Reading]:
        """List them all."""
        return [*self.plain, *self.dates, *self.disguised, *self.padded]


def decide_texts(
    con: Connection,
    table: list[Part],
    decision: Decision,
    likely: dict[str, str],
    facts: dict[str, Facts],
    samples: dict[str, list[str]],
) -> None:
    """Decide the columns of text: most by the facts, the others by a second pass."""
    form = decision.format
    open_: dict[str, Choice] = {}
    for name, type_ in likely.items():
        fact = facts[name]
        is_short = type_ == "DOUBLE" or fact.longest <= SHORT
        if fact.present == 0:
            decision.types[name] = "VARCHAR"
        elif fact.fitting == fact.present and is_short:
            decision.types[name] = type_
        else:
            open_[name] = choices(name, form, {*samples[name], *fact.ends})
    fits = {name: [reading.fits for reading in choice.all] for name, choice in open_.items()}
    counts = count_fits(con, table, form, fits)
    for name, choice in open_.items():
        judge = Judge(con, table, form, name, facts[name], choice, counts[name])
        reading = judge.reading()
        decision.types[name] = reading.type if reading else "VARCHAR"
        if reading and reading.date:
            set_date(decision, name, reading.date)
        if judge.note:
            decision.notes[name] = judge.note


def settle(name: str, type_: str | None, date: str | None, decision: Decision) -> None:
    """Take a column's type and format as params say."""
    if type_ is None:
        assert date is not None
        type_ = date_reading("x", name, date).type
    decision.types[name] = type_
    if date is not None:
        set_date(decision, name, date)
    elif type_ == ZONED:
        set_date(decision, name, ISO_UTC)


def set_date(decision: Decision, name: str, date: str) -> None:
    """Put a column's format of times into the decision."""
    dates = {**decision.format.dates, name: date}
    decision.format = decision.format.model_copy(update={"dates": dates})


COLUMN = "$column"  # stands in a choice's SQL for the column, which files have in other places


def choices(name: str, form: Format, samples: set[str]) -> Choice:
    """List the ways in which a column might be read: those that fit some of the samples."""
    values = sorted(samples)
    formats = [date for sample in values for date in date_formats(sample)]
    dates = [date_reading(COLUMN, name, date) for date in dict.fromkeys(formats)]
    disguised = [
        number_reading(COLUMN, "DOUBLE", other, zeros=False, setting=setting)
        for other, setting in disguises(form, values)
    ]
    whole = number_reading(COLUMN, "BIGINT", form, zeros=False)
    plain = [
        whole,
        number_reading(COLUMN, WIDE, form, zeros=False),
        # Longer whole numbers stay text: as floats they would lose digits.
        replace(whole, type="VARCHAR", fits=full_match(COLUMN, whole.pattern)),
        number_reading(COLUMN, "DOUBLE", form, zeros=False),
        *iso_readings(COLUMN),
    ]
    padded = number_reading(COLUMN, "DOUBLE", form)
    worth = [reading for reading in plain if fits_any(reading.pattern, values)]
    return Choice(worth, dates, disguised, [padded] if fits_any(padded.pattern, values) else [])


def fits_any(pattern: str, samples: list[str]) -> bool:
    """Tell whether all of a sample matches the pattern."""
    return any(re.fullmatch(pattern, sample) for sample in samples)


def count_fits(
    con: Connection, table: list[Part], form: Format, conditions: dict[str, list[str]]
) -> dict[str, list[int]]:
    """Count for each column the values that meet each of its conditions, over all files."""
    selected = [(name, condition) for name, listed in conditions.items() for condition in listed]
    totals = [0] * len(selected)
    for part in table if selected else ():
        columns = dict(zip(conditions, columns_of(part, conditions), strict=True))
        counts = [f"count(*) FILTER ({c.replace(COLUMN, columns[name])})" for name, c in selected]
        query = f"SELECT {', '.join(counts)} FROM {relation(con, part, form)}"
        row = con.execute(query).fetchone()
        assert row is not None
        totals = [a + b for a, b in zip(totals, row, strict=True)]
    values = iter(totals)
    return {name: [next(values) for _ in listed] for name, listed in conditions.items()}


@dataclass
class Judge:
    """Decides one column of text, with the numbers of values that fit each reading."""

    con: Connection
    table: list[Part]
    form: Format
    name: str
    fact: Facts
    choice: Choice
    counts: list[int]  # of the values that fit each reading
    note: str = ""

    def fitting(self, readings: list[Reading]) -> list[Reading]:
        """List those of the readings that fit every value."""
        count = dict(zip(map(id, self.choice.all), self.counts, strict=True))
        return [r for r in readings if count[id(r)] == self.fact.present]

    def reading(self) -> Reading | None:
        """Find the one reading that fits every value; None: the column is text.

        Raises InputError where several fit, one that needs a setting, or one that almost fits.
        """
        if plain := self.fitting(self.choice.plain):
            if plain[0].type == "VARCHAR":
                self.note = "text, as its whole numbers have more than 38 digits"
            return plain[0]
        if dates := self.fitting(self.choice.dates):
            if len(dates) > 1:
                raise self.ambiguous(dates)
            return dates[0]
        if disguised := self.fitting(self.choice.disguised):
            raise self.disguised(disguised)
        if self.fitting(self.choice.padded):
            as_numbers = f"prepare.types: {{{self.name}: DOUBLE}} reads them as numbers"
            self.note = f"text, as its numbers begin with zeros; {as_numbers}"
            return None
        self.check_mixed()
        return None

    def where(self) -> str:
        """Name the first file and the column."""
        return f"{self.table[0].paths[0]}: column {self.name!r}"

    def ambiguous(self, dates: list[Reading]) -> InputError:
        """Say that dates can be read in two ways."""
        names = " and ".join(reading.name for reading in dates)
        found = f"dates such as {shown(self.fact.low)}, which can be {names}"
        settings = " or ".join(reading.setting for reading in dates)
        return InputError(self.where(), found, f"in params.yaml {settings}")

    def disguised(self, readings: list[Reading]) -> InputError:
        """Say that numbers are written in a way that a setting reads."""
        found = f"numbers such as {shown(self.fact.high)}"
        simplest: dict[str, Reading] = {}
        for numbers in readings:  # simpler ones first
            simplest.setdefault(numbers.decimal, numbers)
        settings = " or ".join(numbers.setting for numbers in simplest.values())
        as_text = f"prepare.types: {{{self.name}: VARCHAR}} if it is text"
        return InputError(self.where(), found, f"in params.yaml {settings}; or {as_text}")

    def check_mixed(self) -> None:
        """Raise InputError where values are numbers or times of several forms, or most are."""
        present = self.fact.present
        if not self.choice.all:
            return
        pairs = zip(self.counts, self.choice.all, strict=True)
        count, reading = max(pairs, key=lambda pair: pair[0])
        if count and any(total == present for total in self.families()):
            raise self.misfit(reading, "one way to write them in all rows and files")
        if count >= MOST * present:
            raise self.misfit(reading, "")

    def families(self) -> list[int]:
        """Count the values that are numbers of any form, and those that are times of any."""
        conditions = []
        for family in ("numbers", "times"):
            fits = [f"coalesce({r.fits}, false)" for r in self.choice.all if r.family == family]
            conditions.append(" OR ".join(fits) or "false")
        return count_fits(self.con, self.table, self.form, {self.name: conditions})[self.name]

    def misfit(self, reading: Reading, expected: str) -> InputError:
        """Name the first value that does not fit the reading that most do."""
        for part in self.table:
            for one in part.each():
                (column,) = columns_of(one, [self.name])
                how = replace(reading, fits=reading.fits.replace(COLUMN, column))
                misfit = misfit_in(self.con, one, self.form, self.name, how)
                if misfit:
                    name = reading.name
                    fix = expected or (
                        f"{name}; or the word in prepare.csv.nulls, if it means a missing value"
                    )
                    as_text = f"prepare.types: {{{self.name}: VARCHAR}} if the column is text"
                    found = f"{shown(misfit.value)}, where most values are {name}"
                    return InputError(misfit.where, found, f"{fix}; or {as_text}")
        raise AssertionError("every value fits")


# Types that are given, and Parquet's


def check_given(con: Connection, table: list[Part], decision: Decision, given: set[str]) -> None:
    """Raise InputError, with the line, for a value that does not fit what params say."""
    for name in decision.types:
        if name in given:
            for part in table:
                for one in part.each():
                    check_column(con, one, decision.format, name, decision.types[name])


def check_column(con: Connection, part: Part, form: Format, name: str, type_: str) -> None:
    """Raise InputError for the first value of a file's column that does not fit the type."""
    how = reading(name, part, type_, form)
    misfit = how and misfit_in(con, part, form, name, how)
    if misfit:
        as_text = "or prepare.csv.nulls, if it means a missing value"
        raise InputError(misfit.where, shown(misfit.value), f"{misfit.expected}; {as_text}")
