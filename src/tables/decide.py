"""Decides how the text of raw tables is read: one type and one format a column, for all files."""

from dataclasses import dataclass, field, replace

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
    """Counts what a text column's values look like: values, those that are numbers, and so on."""

    present: int
    numbers: int
    wholes: int
    longest: int  # bytes
    low: str | None
    high: str | None

    @property
    def samples(self) -> list[str]:
        """Return the first and the last value, in the order of text."""
        return [value for value in (self.low, self.high) if value is not None]

    def plus(self, other: "Facts") -> "Facts":
        """Add the facts of another file."""
        samples = self.samples + other.samples
        return Facts(
            self.present + other.present,
            self.numbers + other.numbers,
            self.wholes + other.wholes,
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
    rows, facts = survey(con, table, form, texts)
    decision = Decision(form, rows)
    for name in names:
        if name not in texts:
            decision.types[name] = given.get(name) or widest(table, name)
    decide_texts(con, table, form, csv, given, facts, decision)
    check_given(con, table, decision, given)
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


def survey(
    con: Connection, table: list[Part], form: Format, names: list[str]
) -> tuple[int, dict[str, Facts]]:
    """Read each file once, and gather the facts of the named text columns over all files.

    Raises InputError where DuckDB reads other rows than the file has.
    """
    rows = 0
    facts: dict[str, Facts] = {}
    for part in table:
        for one in part.each():
            expected = count_rows(one.paths[0], form)  # first: it says the line of a broken row
            count, found = survey_file(con, one, form, names)
            if count != expected:
                fix = f"{expected}, as the file has: please report this file's form"
                raise InputError(one.paths[0], f"{count} rows read", fix)
            rows += count
            for name in names:
                facts[name] = facts[name].plus(found[name]) if name in facts else found[name]
    return rows, facts


def survey_file(
    con: Connection, part: Part, form: Format, names: list[str]
) -> tuple[int, dict[str, Facts]]:
    """Count the rows of a file, and gather the facts of its columns."""
    number = number_pattern(form, zeros=False, whole=False)
    whole = number_pattern(form, zeros=False, whole=True)
    selected = ["count(*)"]
    for column in columns_of(part, names):
        selected += [
            f"count({column})",
            f"count_if({full_match(column, number)})",
            f"count_if({full_match(column, whole)})",
            f"coalesce(max(strlen({column})), 0)",
            f"min({column})",
            f"max({column})",
        ]
    row = con.execute(f"SELECT {', '.join(selected)} FROM {relation(con, part, form)}").fetchone()
    assert row is not None
    count, *values = row
    facts = [Facts(*values[i : i + 6]) for i in range(0, len(values), 6)]
    return count, dict(zip(names, facts, strict=True))


# What it is read as


@dataclass(frozen=True)
class Choice:
    """Holds the ways in which a column of text might be read."""

    plain: list[Reading]  # those that need no setting; the first that fits is taken
    dates: list[Reading]  # of these only one may fit
    disguised: list[Reading]  # those that need a setting
    padded: Reading  # numbers that may begin with zeros

    @property
    def all(self) -> list[Reading]:
        """List them all."""
        return [*self.plain, *self.dates, *self.disguised, self.padded]


def decide_texts(
    con: Connection,
    table: list[Part],
    form: Format,
    csv: Csv,
    given: Types,
    facts: dict[str, Facts],
    decision: Decision,
) -> None:
    """Decide the columns of text: most by the facts, the others by a second pass."""
    open_: dict[str, Choice] = {}
    for name, fact in facts.items():
        if name in given or name in csv.dates:
            settle(name, given.get(name), csv.dates.get(name), decision)
        elif fact.present == 0:
            decision.types[name] = "VARCHAR"
        elif fact.wholes == fact.present and fact.longest < 19:
            decision.types[name] = "BIGINT"
        elif fact.wholes < fact.present == fact.numbers:
            decision.types[name] = "DOUBLE"
        else:
            open_[name] = choices(name, form, fact)
    counts = count_fits(con, table, form, open_)
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


def choices(name: str, form: Format, fact: Facts) -> Choice:
    """List the ways in which a column with such values might be read."""
    if fact.wholes == fact.present:
        plain = [number_reading(COLUMN, type_, form, zeros=False) for type_ in ("BIGINT", WIDE)]
        return Choice(plain, [], [], number_reading(COLUMN, "DOUBLE", form))
    plain = [number_reading(COLUMN, "DOUBLE", form, zeros=False), *iso_readings(COLUMN)]
    formats = [date for sample in fact.samples for date in date_formats(sample)]
    dates = [date_reading(COLUMN, name, date) for date in dict.fromkeys(formats)]
    disguised = [
        number_reading(COLUMN, "DOUBLE", other, zeros=False, setting=setting)
        for other, setting in disguises(form, fact.samples)
    ]
    return Choice(plain, dates, disguised, number_reading(COLUMN, "DOUBLE", form))


@dataclass(frozen=True)
class Counts:
    """Counts the values of a column that each of its readings fits, and any of a family."""

    of: list[int]
    any_number: int
    any_time: int


def count_fits(
    con: Connection, table: list[Part], form: Format, open_: dict[str, Choice]
) -> dict[str, Counts]:
    """Count for each undecided column the values that fit its readings, over all files."""
    if not open_:
        return {}
    totals: list[int] = []
    for part in table:
        selected = []
        for column, choice in zip(columns_of(part, list(open_)), open_.values(), strict=True):
            for condition in conditions(choice):
                selected.append(f"count_if({condition.replace(COLUMN, column)})")
        query = f"SELECT {', '.join(selected)} FROM {relation(con, part, form)}"
        row = con.execute(query).fetchone()
        assert row is not None
        totals = [a + b for a, b in zip(totals or [0] * len(row), row, strict=True)]
    found = {}
    values = iter(totals)
    for name, choice in open_.items():
        of = [next(values) for _ in choice.all]
        found[name] = Counts(of, next(values), next(values))
    return found


def conditions(choice: Choice) -> list[str]:
    """Write the conditions to count: each reading's, then any number's and any time's."""
    written = [reading.fits for reading in choice.all]
    for family in ("numbers", "times"):
        fits = [f"coalesce({r.fits}, false)" for r in choice.all if r.family == family]
        written.append(" OR ".join(fits) or "false")
    return written


@dataclass
class Judge:
    """Decides one column of text, with the numbers of values that fit each reading."""

    con: Connection
    table: list[Part]
    form: Format
    name: str
    fact: Facts
    choice: Choice
    counts: Counts
    note: str = ""

    def fitting(self, readings: list[Reading]) -> list[Reading]:
        """List those of the readings that fit every value."""
        count = dict(zip(map(id, self.choice.all), self.counts.of, strict=True))
        return [r for r in readings if count[id(r)] == self.fact.present]

    def reading(self) -> Reading | None:
        """Find the one reading that fits every value; None: the column is text.

        Raises InputError where several fit, one that needs a setting, or one that almost fits.
        """
        if plain := self.fitting(self.choice.plain):
            return plain[0]
        if dates := self.fitting(self.choice.dates):
            if len(dates) > 1:
                raise self.ambiguous(dates)
            return dates[0]
        if disguised := self.fitting(self.choice.disguised):
            raise self.disguised(disguised)
        if self.fitting([self.choice.padded]):
            as_numbers = f"prepare.types: {{{self.name}: DOUBLE}} reads them as numbers"
            self.note = f"text, as its numbers begin with zeros; {as_numbers}"
            return None
        if self.fact.wholes == self.fact.present:
            self.note = "text, as its whole numbers have more than 38 digits"
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
        settings = " or ".join(reading.setting for reading in readings)
        as_text = f"prepare.types: {{{self.name}: VARCHAR}} if it is text"
        return InputError(self.where(), found, f"in params.yaml {settings}; or {as_text}")

    def check_mixed(self) -> None:
        """Raise InputError where values are numbers or times of several forms, or most are."""
        present = self.fact.present
        best = max(zip(self.counts.of, self.choice.all, strict=True), key=lambda pair: pair[0])
        count, reading = best
        for family in (self.counts.any_number, self.counts.any_time):
            if family == present and len(self.choice.all) > 1:
                raise self.misfit(reading, "one way to write them in all rows and files")
        if count >= MOST * present:
            raise self.misfit(reading, "")

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


def check_given(con: Connection, table: list[Part], decision: Decision, given: Types) -> None:
    """Raise InputError, with the line, for a value that does not fit the type or format given."""
    for name, type_ in decision.types.items():
        asked = name in given or name in decision.format.dates
        if not asked:
            continue
        for part in table:
            for one in part.each():
                check_column(con, one, decision.format, name, type_)


def check_column(con: Connection, part: Part, form: Format, name: str, type_: str) -> None:
    """Raise InputError for the first value of a file's column that does not fit the type."""
    how = reading(name, part, type_, form)
    misfit = how and misfit_in(con, part, form, name, how)
    if misfit:
        as_text = "or prepare.csv.nulls, if it means a missing value"
        raise InputError(misfit.where, shown(misfit.value), f"{misfit.expected}; {as_text}")
