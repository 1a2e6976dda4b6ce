"""Lists the ways to read text as numbers and times: which values fit one, and what they become."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from src.schema import Format
from src.tables.sql import FLOATS, INTEGERS, TIMES, is_a, text

ISO = "ISO"
ISO_UTC = "ISO, UTC where it names no zone"
Family = Literal["numbers", "times", "other"]


@dataclass(frozen=True)
class Reading:
    """One way to read a column of text, in SQL.

    fits: whether a value can be so read; value: what it becomes. pattern: what the values match;
    setting: the params that choose this reading, where it is not among those that need none.
    """

    family: Family
    type: str
    fits: str
    value: str
    name: str
    pattern: str = ""
    setting: str = ""
    decimal: str = ""  # its mark
    note: str = ""  # what is worth saying of a column that is so read
    date: str = ""  # strptime's format, or ISO


def full_match(column: str, pattern: str) -> str:
    """Write the condition that all of a value matches."""
    return f"regexp_full_match({column}, {text(pattern)})"


def known(column: str, pattern: str, value: str) -> str:
    """Write the condition that a text matches and has a value, as a 30th of February has not.

    Casts that fail take long: only what matches is cast.
    """
    return f"CASE WHEN {full_match(column, pattern)} THEN {value} IS NOT NULL ELSE false END"


# Numbers


def number_pattern(form: Format, zeros: bool, whole: bool) -> str:
    """Write the pattern of numbers.

    zeros: whether digits may begin or end with zeros, as in 007 and 7.0; whole: no fraction, no
    exponent.
    """
    digits = r"\d+" if zeros else r"(?:0|[1-9]\d*)"
    if form.thousands:
        digits = rf"(?:\d{{1,3}}(?:{re.escape(form.thousands)}\d{{3}})+|{digits})"
    point = re.escape(form.decimal)
    number = f"{digits}(?:{point}0*)?" if zeros else digits
    if not whole:
        fraction = rf"(?:{digits}(?:{point}\d*)?|{point}\d+)"
        number = rf"(?:{fraction}(?:[eE][-+]?\d+)?|(?i:inf|infinity))"
    if not form.units:
        return rf"\s*[-+]?{number}\s*"
    unit = f"(?:{'|'.join(map(re.escape, form.units))})"
    return rf"\s*(?:[-+]?{unit}?\s*|{unit}\s*[-+]?){number}\s*{unit}?\s*"


def plain(column: str, form: Format) -> str:
    """Write a number without units and grouped digits, and with a decimal point."""
    if form.units:
        signs = text("|".join([*map(re.escape, form.units), r"\s"]))
        column = f"regexp_replace({column}, {signs}, '', 'g')"
    if form.thousands:
        column = f"replace({column}, {text(form.thousands)}, '')"
    if form.decimal != ".":
        column = f"replace({column}, {text(form.decimal)}, '.')"
    return column


def number_reading(column: str, type_: str, form: Format, zeros: bool = True) -> Reading:
    """Read numbers of the type given; whole numbers have no fraction to be rounded."""
    whole = type_ in (*INTEGERS, "HUGEINT", "UHUGEINT") or type_.endswith(",0)")
    value = f"TRY_CAST({plain(column, form)} AS {type_})"
    pattern = number_pattern(form, zeros, whole)
    fits = known(column, pattern, value)
    if type_ == "DOUBLE":  # which holds every number
        fits = full_match(column, pattern)
    name = "whole numbers" if whole else "numbers"
    return Reading("numbers", type_, fits, value, name, pattern, decimal=form.decimal)


UNIT = re.compile(r"USD|EUR|GBP|CHF|JPY|CNY|INR|[%‰$¢£¤¥₠-⃀]")  # currencies and shares
GROUPS = ("", ",", ".", " ", "'", "’", "_", "\u00a0", "\u202f")  # between thousands


def disguises(form: Format, samples: list[str]) -> Iterator[tuple[Format, str]]:
    """Yield other formats by which samples are numbers, simpler ones first, with their setting."""
    units = dict.fromkeys([*form.units, *UNIT.findall(" ".join(samples))])
    for decimal, thousands in product((".", ","), GROUPS):
        if thousands == decimal:
            continue
        signs = {"decimal": decimal, "thousands": thousands, "units": [*units]}
        changes = {key: new for key, new in signs.items() if new != getattr(form, key)}
        if not changes:
            continue
        other = form.model_copy(update=changes)
        pattern = number_pattern(other, zeros=False, whole=False)
        if fits_any(pattern, samples):
            yield other, setting_of(changes)


def setting_of(changes: Mapping[str, object]) -> str:
    """Write the params that change a format; JSON is YAML, and keys read better without quotes."""
    keys = []
    for key, new in changes.items():
        keys.append(f"{key}: {json.dumps(new, ensure_ascii=False)}")
    return f"prepare.csv: {{{', '.join(keys)}}}"


def fits_any(pattern: str, samples: list[str]) -> bool:
    """Tell whether all of a sample matches the pattern."""
    return any(re.fullmatch(pattern, sample) for sample in samples)


# Times

# Times of day, and what strptime calls their parts.
CLOCK = (
    (r"\d{1,2}:\d{2}:\d{2}\.\d+(?=\s?[AaPp][Mm])", "%I:%M:%S.%f"),
    (r"\d{1,2}:\d{2}:\d{2}(?=\s?[AaPp][Mm])", "%I:%M:%S"),
    (r"\d{1,2}:\d{2}(?=\s?[AaPp][Mm])", "%I:%M"),
    (r"(?<=%[SMf])(\s?)[AaPp][Mm]", r"\1%p"),
    (r"\d{1,2}:\d{2}:\d{2}\.\d+", "%H:%M:%S.%f"),
    (r"\d{1,2}:\d{2}:\d{2}", "%H:%M:%S"),
    (r"(?<=[T\s])\d{1,2}:\d{2}", "%H:%M"),
    (r"(?<=[SMfp])(\s?)(Z|[-+]\d{2}:?\d{2})$", r"\1%z"),
)
A_CLOCK = r"((T|,?\s)%[HI]:%M(:%S(\.%f)?)?(\s?%p)?(\s?%z)?)?"
# Dates, and the orders that they can have; a separator stands for -.
DATES = (
    (r"\d{4}(?P<s>[-/. ])\d{1,2}(?P=s)\d{1,2}", ["%Y-%m-%d"]),
    (r"\d{1,2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{4}", ["%d-%m-%Y", "%m-%d-%Y"]),
    (r"\d{1,2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{2}", ["%d-%m-%y", "%m-%d-%y", "%y-%m-%d"]),
    (r"\d{1,2}(?P<s>[-/. ])[A-Za-z]{3,9}(?P=s)\d{4}", ["%d-%b-%Y"]),
    (r"\d{1,2}(?P<s>[-/. ])[A-Za-z]{3,9}(?P=s)\d{2}", ["%d-%b-%y"]),
    (r"\d{4}(?P<s>[-/ ])[A-Za-z]{3,9}(?P=s)\d{1,2}", ["%Y-%b-%d"]),
    (r"[A-Za-z]{3,9} \d{1,2}(?P<s>,?) \d{4}", ["%b %d- %Y"]),
)
ISO_DATE = r"\s*\d{4}-\d{1,2}-\d{1,2}\s*"
ISO_CLOCK = r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
ISO_ZONE = r"\s?(?:[Zz]|[-+]\d{2}(?::?\d{2})?)"
ISO_TIME = rf"\s*\d{{4}}-\d{{1,2}}-\d{{1,2}}(?:{ISO_CLOCK})?\s*"
ISO_ZONED = rf"\s*\d{{4}}-\d{{1,2}}-\d{{1,2}}{ISO_CLOCK}{ISO_ZONE}\s*"
ZONED = "TIMESTAMP WITH TIME ZONE"


def date_formats(sample: str) -> list[str]:
    """List the formats of dates or times that look like the sample."""
    form = sample.strip()
    for pattern, part in CLOCK:
        form = re.sub(pattern, part, form)
    for pattern, orders in DATES:
        date = re.fullmatch(f"{pattern}(?P<clock>{A_CLOCK})", form)
        if date:
            return [order.replace("-", date["s"]) + date["clock"] for order in orders]
    return []


def iso_readings(column: str) -> list[Reading]:
    """Read ISO 8601: dates, times without a zone, and times with one, which become UTC."""
    day = f"TRY_CAST({column} AS DATE)"
    time = f"TRY_CAST({column} AS TIMESTAMP)"
    # DuckDB wants seconds, and no space, before the zone.
    zone, minutes = text(rf"\s({ISO_ZONE})$"), text(r"([T ]\d{1,2}:\d{2})([-+Z].*)$")
    joined = rf"regexp_replace(upper(trim({column})), {zone}, '\1')"
    full = rf"regexp_replace({joined}, {minutes}, '\1:00\2')"
    zoned = f"TRY_CAST({full} AS {ZONED})"
    forms = (
        ("DATE", ISO_DATE, day, "dates"),
        ("TIMESTAMP", ISO_TIME, time, "times"),
        (ZONED, ISO_ZONED, zoned, "times with a zone"),
    )
    return [
        Reading("times", type_, known(column, pattern, value), value, name, pattern, date=ISO)
        for type_, pattern, value, name in forms
    ]


def date_reading(column: str, name: str, form: str) -> Reading:
    """Read the dates or times of a format; months in full are those of %b too."""
    forms = list(dict.fromkeys([form, form.replace("%b", "%B"), form.replace("%B", "%b")]))
    time = f"try_strptime({column}, [{', '.join(map(text, forms))}])"
    type_ = "DATE"
    if re.search(r"%[HIMSfgnpcXT]", form):
        type_ = "TIMESTAMP"
    if re.search("%[zZ]", form):
        type_ = ZONED
    # strptime takes `24` for %Y, and 1,976 years less.
    fits = f"year({time}) BETWEEN 1000 AND 9999"
    key = f"prepare.csv.dates: {{{json.dumps(name)}: {json.dumps(form)}}}"
    return Reading("times", type_, fits, f"CAST({time} AS {type_})", form, "", key, date=form)


def time_reading(column: str, name: str, type_: str, form: str) -> Reading:
    """Read times by a format that is decided, as the type."""
    dates, times, zoned = iso_readings(column)
    if form == ISO:
        reading = {"DATE": dates, ZONED: zoned}.get(type_, times)
    elif form == ISO_UTC:
        fits = f"({times.fits}) OR ({zoned.fits})"
        value = f"coalesce({zoned.value}, CAST({times.value} AS {ZONED}))"
        reading = Reading("times", ZONED, fits, value, "times")
    else:
        reading = date_reading(column, name, form)
    value = reading.value
    if reading.type != type_:
        value = f"CAST({value} AS {type_})"
    return Reading("times", type_, reading.fits, value, reading.name, date=form)


def reading_of(column: str, name: str, type_: str, form: Format) -> Reading | None:
    """Find how a format reads a column of text as the type; none: as it is written."""
    if type_ == "VARCHAR":
        return None
    if is_a(type_, TIMES):
        return time_reading(column, name, type_, form.dates.get(name, ISO))
    if type_ in INTEGERS or is_a(type_, FLOATS):
        return number_reading(column, type_, form)
    value = f"TRY_CAST({column} AS {type_})"
    return Reading("other", type_, f"{value} IS NOT NULL", value, type_)
