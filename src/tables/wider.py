"""Finds the type that holds what Parquet files store of one column in types of several widths."""

from src.errors import InputError
from src.tables.raw import NO_TYPE, Part
from src.tables.readings import ZONED
from src.tables.sql import FLOATS, INTEGERS, TEXTS, TIMES, is_a

# Of types that differ, and as they are stored: a number as DOUBLE, a time in seconds.
WIDEST = {
    "BIGINT": tuple(name for name in INTEGERS if name != "UBIGINT"),
    "DOUBLE": (*FLOATS, "UBIGINT"),
    "TIMESTAMP": TIMES,
    "VARCHAR": TEXTS,
}


def widest(table: list[Part], name: str) -> str:
    """Find the type that holds the values of all files; raise InputError where there is none."""
    stored = {part.types[name]: part for part in table if part.types[name] != NO_TYPE}
    if len(stored) < 2:
        return next(iter(stored), "VARCHAR")
    (first, part), *others = stored.items()
    wide = {kind(first)}
    for other, of in others:
        wide.add(kind(other))
        if "DOUBLE" in wide:
            wide.discard("BIGINT")
        if len(wide) > 1:
            fix = f"{first}, as in {part.paths[0].name}; or prepare.types: {{{name}: …}} for both"
            raise InputError(f"{of.paths[0]}: column {name!r}", f"type {other}", fix)
    return wide.pop()


def kind(type_: str) -> str:
    """Find the widest type of the same kind, which is the type itself where there is none."""
    if type_ == ZONED:
        return type_
    for wide, names in WIDEST.items():
        if is_a(type_, names):
            return wide
    return type_
