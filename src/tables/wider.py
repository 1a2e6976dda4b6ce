"""Finds the type that holds what Parquet files store of one column in types of several widths."""

import re

from src.errors import InputError
from src.tables.raw import NO_TYPE, Part
from src.tables.readings import ZONED
from src.tables.sql import FLOATS, INTEGERS, TEXTS, TIMES, is_a


def widest(table: list[Part], name: str) -> str:
    """Find the type that holds the values of all files; raise InputError where there is none."""
    first = table[0]
    merged = first.types[name]
    for part in table[1:]:
        wide = wider(merged, part.types[name])
        if wide is None:
            found = f"type {part.types[name]}"
            fix = f"{merged}, as in {first.paths[0].name}; or prepare.types: {{{name}: …}} for both"
            raise InputError(f"{part.paths[0]}: column {name!r}", found, fix)
        merged = wide
    return "VARCHAR" if merged == NO_TYPE else merged


def wider(one: str, other: str) -> str | None:
    """Find the type that holds both; None where they are of other kinds."""
    if one == other or other == NO_TYPE:
        return one
    if one == NO_TYPE:
        return other
    if is_a(one, TEXTS) and is_a(other, TEXTS):
        return "VARCHAR"
    if is_a(one, TIMES) and is_a(other, TIMES):
        return wider_time(one, other)
    if is_number(one) and is_number(other):
        return wider_number(one, other)
    return None


def is_number(type_: str) -> bool:
    """Tell a type of numbers."""
    return type_ in INTEGERS or is_a(type_, FLOATS)


def wider_time(one: str, other: str) -> str | None:
    """Find the wider of two types of times; None where only one has a zone."""
    if (one == ZONED) != (other == ZONED):
        return None
    return "TIMESTAMP_NS" if "TIMESTAMP_NS" in (one, other) else "TIMESTAMP"


BITS = {"TINYINT": 7, "SMALLINT": 15, "INTEGER": 31, "BIGINT": 63, "HUGEINT": 127}
BITS |= {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128}
DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
DIGITS |= {"UTINYINT": 3, "USMALLINT": 5, "UINTEGER": 10, "UBIGINT": 20}


def wider_number(one: str, other: str) -> str:
    """Find the type of numbers that holds both, digits and fraction; at last DOUBLE."""
    if one in BITS and other in BITS:
        unsigned = one.startswith("U") and other.startswith("U")
        bits = max(BITS[one], BITS[other])
        fitting = [t for t in BITS if BITS[t] >= bits and t.startswith("U") == unsigned]
        return min(fitting, key=BITS.__getitem__, default="DOUBLE")
    shapes = [digits(type_) for type_ in (one, other)]
    if None in shapes:
        return "DOUBLE"
    whole, scale = (max(pair) for pair in zip(*shapes, strict=True))
    return f"DECIMAL({whole + scale},{scale})" if whole + scale <= 38 else "DOUBLE"


def digits(type_: str) -> tuple[int, int] | None:
    """Count the digits before and after the point that a type holds; None of floats."""
    if type_ in DIGITS:
        return DIGITS[type_], 0
    match = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else None
