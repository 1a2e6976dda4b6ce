"""Holds what the params say of the way that CSV files are written."""

import re
from typing import Literal

from pydantic import model_validator

from src.params import Section
from src.schema import Format, is_encoding

NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]
# How CSV files are written where nothing says otherwise.
USUAL = Format(
    delimiter=",",
    quote='"',
    encoding="utf-8",
    decimal=".",
    thousands="",
    units=[],
    nulls=NULLS,
    dates={},
)
EMPTY = ("quote", "nulls")  # what may be empty; of the others, empty is as null
# What the signs may be, and how to say it.
SIGNS = {
    "delimiter": (r"[\x01-\x09\x0b\x0c\x0e-\x7f]", "a delimiter of one ASCII character"),
    "quote": (r"[\x21-\x7e]?", "a quote of one ASCII character, or none"),
    "thousands": (r"[^-+0-9A-Za-z]?", "thousands: one sign, or none"),
}


class Csv(Section):
    """Holds the section `prepare.csv` of params.yaml; null: decided by the files."""

    delimiter: str | None = None
    quote: str | None = None  # empty: values are never quoted
    encoding: str | None = None  # null: UTF-8
    decimal: Literal[".", ","] | None = None  # null: a point
    thousands: str | None = None  # null: digits are not grouped
    units: list[str] | None = None  # signs beside a number, such as $ and %
    nulls: list[str] | None = None  # words for a missing value
    dates: dict[str, str] = {}  # column: strptime's format

    @model_validator(mode="after")
    def is_consistent(self) -> "Csv":
        """Refuse an encoding that is none of text, and one sign for two things."""
        form = self.form()
        for key, (pattern, expected) in SIGNS.items():
            if not re.fullmatch(pattern, getattr(form, key)):
                raise ValueError(expected)
        if any(re.search(r"[-+.,\d]|^$", unit) for unit in form.units):
            raise ValueError("units without digits, such as $ and %")
        if not is_encoding(form.encoding):
            raise ValueError("an encoding that Python knows, such as utf-8 or latin1")
        if form.delimiter == form.quote:
            raise ValueError("another quote than the delimiter")
        if form.decimal == form.thousands:
            raise ValueError("another sign for thousands than the decimal mark")
        return self

    def form(self) -> Format:
        """Return the usual format, changed by what the params say."""
        given = self.model_dump(exclude_none=True, exclude={"dates"})
        changes = {key: value for key, value in given.items() if value or key in EMPTY}
        return USUAL.model_copy(update=changes)
