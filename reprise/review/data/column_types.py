"""Sorts DuckDB's column types into kinds, and finds a type in which two versions compare."""

import re

from reprise.described import DescribedEnum

INTEGER = re.compile(r"^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
FLOAT = re.compile(r"^(FLOAT|DOUBLE)$")
NUMBER = re.compile(rf"{INTEGER.pattern}|{FLOAT.pattern}|^DECIMAL.*$")
DATE = re.compile(r"^(DATE|TIMESTAMP.*)$")
CATEGORY = re.compile("VARCHAR|BOOLEAN|ENUM")
# Where both types match a pattern, the columns compare as this type. The first match counts.
COMMON_TYPES = ((FLOAT, "FLOAT"), (INTEGER, "HUGEINT"), (NUMBER, "DOUBLE"), (DATE, "TIMESTAMP"))


class ColumnKind(DescribedEnum):
    """Says what a column's values are, as far as its distribution is concerned."""

    NUMBER = "number", "whole numbers, floats and decimals: summary, histogram and drift"
    DATE = "date", "dates and times: first and last, histogram and drift"
    CATEGORY = "category", "text of few distinct values: rows of each value, and drift"
    TEXT = "text", "text of too many distinct values to compare one by one"
    KEY = "key", "another value in each row: nothing that has a distribution"
    OTHER = "other", "lists, structs and the like: missing and distinct values only"


_PATTERNS = (
    (NUMBER, ColumnKind.NUMBER),
    (DATE, ColumnKind.DATE),
    (CATEGORY, ColumnKind.CATEGORY),
)


def column_kind(duckdb_type: str) -> ColumnKind:
    """Return the kind of a column. Text is CATEGORY here: its values are not yet counted."""
    if duckdb_type.endswith("]"):  # a list of numbers is no number
        return ColumnKind.OTHER
    for pattern, kind in _PATTERNS:
        if pattern.match(duckdb_type):
            return kind
    return ColumnKind.OTHER


def is_integer(duckdb_type: str) -> bool:
    """Tell whether the type is one of whole numbers."""
    return INTEGER.match(duckdb_type) is not None


def common_type(old: str, new: str) -> str:
    """Return the DuckDB type to which both versions of a column are cast before they compare.

    Numbers stay numbers, at the coarser precision, so that a column stored as another type is no
    change of all its rows: 1 is 1.0, and 0.1 as a double is 0.1 as a float. What is of two kinds
    is compared as text.
    """
    if old == new:
        return old
    for pattern, common in COMMON_TYPES:
        if pattern.match(old) and pattern.match(new):
            return common
    return "VARCHAR"
