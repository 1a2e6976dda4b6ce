"""Lists the ways to read text as numbers and times: which values fit one, and what they become."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
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


def number_reading(
    column: str, type_: str, form: Format, zeros: bool = True, setting: str = ""
) -> Reading:
    """Read numbers of the type given; whole numbers have no fraction to be rounded."""
    whole = type_ in (*INTEGERS, "HUGEINT", "UHUGEINT") or type_.endswith(",0)")
    value = f"TRY_CAST({plain(column, form)} AS {type_})"
    pattern = number_pattern(form, zeros, whole)
    fits = full_match(column, pattern) if type_ == "DOUBLE" else known(column, pattern, value)
    name = "whole numbers" if whole else "numbers"
    return Reading("numbers", type_, fits, value, name, pattern, setting, form.decimal)


CURRENCIES = ("USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR")


def units_in(sample: str) -> list[str]:
    """List the currency and percent signs in a value."""
    signs = [c for c in sample if c in "%‰" or unicodedata.category(c) == "Sc"]
    signs += [code for code in CURRENCIES if code in sample]
    return list(dict.fromkeys(signs))


def disguises(form: Format, samples: list[str]) -> Iterator[tuple[Format, str]]:
    """Yield other formats by which samples are numbers, simpler ones first, with their setting."""
    units = [unit for sample in samples for unit in units_in(sample)]
    units = list(dict.fromkeys([*form.units, *units]))
    for decimal in (form.decimal, "," if form.decimal == "." else "."):
        for thousands in ("", ",", ".", " ", "'", "’", "_", "\u00a0", "\u202f"):
            if thousands == decimal:
                continue
            changes = {"decimal": decimal, "thousands": thousands, "units": units}
            changed = {k: v for k, v in changes.items() if v != getattr(form, k)}
            other = form.model_copy(update=changes)
            pattern = number_pattern(other, zeros=False, whole=False)
            fits = any(re.fullmatch(pattern, sample) for sample in samples)
            if changed and fits:
                yield other, "prepare.csv: {" + ", ".join(map(setting, changed.items())) + "}"


def setting(change: tuple[str, object]) -> str:
    """Write a key and its value as in params.yaml."""
    key, value = change
    if isinstance(value, list):
        return f"{key}: [{', '.join(map(quoted, value))}]"
    return f"{key}: {quoted(str(value))}"


def quoted(value: str) -> str:
    """Write a text as in params.yaml."""
    return '"' + value + '"'


# Times

DATE = re.compile(
    r"""
    (?P<iso>\d{4}-\d{1,2}-\d{1,2})
    |(?P<year_first>\d{4}(?P<s1>[/. ])\d{1,2}(?P=s1)\d{1,2})
    |(?P<year_last>\d{1,2}(?P<s2>[-/. ])\d{1,2}(?P=s2)\d{4})
    |(?P<short>\d{1,2}(?P<s3>[-/. ])\d{1,2}(?P=s3)\d{2})
    |(?P<day_name>\d{1,2}(?P<s4>[-/. ])[A-Za-z]{3,9}(?P=s4)(?P<y4>\d{4}|\d{2}))
    |(?P<name_day>[A-Za-z]{3,9}\s\d{1,2}(?P<comma>,?)\s\d{4})
    |(?P<year_name>\d{4}(?P<s5>[-/ ])[A-Za-z]{3,9}(?P=s5)\d{1,2})
    """,
    re.VERBOSE,
)
TIME = re.compile(
    r"(?P<gap>T|,?\s)\d{1,2}:\d{2}(?P<seconds>:\d{2}(?P<part>\.\d+)?)?"
    r"(?P<half>\s?[AaPp][Mm])?(?P<zone>\s?(?:Z|[-+]\d{2}:?\d{2}))?"
)
ISO_DATE = r"\s*\d{4}-\d{1,2}-\d{1,2}\s*"
ISO_CLOCK = r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
ISO_ZONE = r"\s?(?:[Zz]|[-+]\d{2}(?::?\d{2})?)"
ISO_TIME = rf"\s*\d{{4}}-\d{{1,2}}-\d{{1,2}}(?:{ISO_CLOCK})?\s*"
ISO_ZONED = rf"\s*\d{{4}}-\d{{1,2}}-\d{{1,2}}{ISO_CLOCK}{ISO_ZONE}\s*"
ZONED = "TIMESTAMP WITH TIME ZONE"


def orders(match: re.Match[str]) -> list[str]:
    """List the formats of dates that look like this one."""
    s = match["s1"] or match["s2"] or match["s3"] or match["s4"] or match["s5"] or "-"
    if match["iso"]:
        return ["%Y-%m-%d"]
    if match["year_first"]:
        return [f"%Y{s}%m{s}%d"]
    if match["year_last"]:
        return [f"%d{s}%m{s}%Y", f"%m{s}%d{s}%Y"]
    if match["short"]:
        return [f"%d{s}%m{s}%y", f"%m{s}%d{s}%y", f"%y{s}%m{s}%d"]
    if match["day_name"]:
        return [f"%d{s}%b{s}{'%Y' if len(match['y4']) == 4 else '%y'}"]
    if match["name_day"]:
        return [f"%b %d{match['comma']} %Y"]
    return [f"%Y{s}%b{s}%d"]


def clock(match: re.Match[str]) -> str:
    """Write the format of times of day that look like this one."""
    hours = "%I:%M" if match["half"] else "%H:%M"
    seconds = ""
    if match["seconds"]:
        seconds = ":%S.%f" if match["part"] else ":%S"
    half = match["half"] and match["half"][:-2] + "%p"
    zone = match["zone"] and "%z"
    return f"{match['gap']}{hours}{seconds}{half or ''}{zone or ''}"


def date_formats(sample: str) -> list[str]:
    """List the formats of dates or times that look like the sample, other than ISO's."""
    sample = sample.strip()
    date = DATE.match(sample)
    if date is None:
        return []
    rest = sample[date.end() :]
    time = TIME.fullmatch(rest)
    if (rest and time is None) or (date["iso"] and not (time and time["half"])):
        return []
    return [order + (clock(time) if time else "") for order in orders(date)]


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
    if "%z" in form or "%Z" in form:
        type_ = ZONED
    # strptime takes `24` for %Y, and 1,976 years less.
    fits = f"year({time}) BETWEEN 1000 AND 9999"
    key = f"prepare.csv.dates: {{{quoted(name)}: {quoted(form)}}}"
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
    value = reading.value if reading.type == type_ else f"CAST({reading.value} AS {type_})"
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
