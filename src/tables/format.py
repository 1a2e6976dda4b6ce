"""Holds what the params say of the way that CSV files are written."""

import codecs
from typing import Literal

from pydantic import Field, field_validator

from src.params import Section


class Csv(Section):
    """Holds the section `prepare.csv` of params.yaml; null: decided by the files."""

    delimiter: str | None = Field(None, min_length=1, max_length=1)
    quote: str | None = Field(None, max_length=1)  # empty: values are never quoted
    encoding: str | None = None  # null: UTF-8
    decimal: Literal[".", ","] | None = None  # null: a point
    thousands: str | None = Field(None, max_length=1)  # null: digits are not grouped
    units: list[str] | None = None  # signs beside a number, such as $ and %
    nulls: list[str] | None = None  # words for a missing value
    dates: dict[str, str] = {}  # column: strptime's format

    @field_validator("encoding")
    @classmethod
    def known(cls, name: str | None) -> str | None:
        """Refuse a name that no codec has."""
        try:
            return name and codecs.lookup(name).name
        except LookupError:
            raise ValueError("an encoding that Python knows, such as utf-8 or latin1") from None
