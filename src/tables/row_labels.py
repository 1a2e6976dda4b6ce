"""Finds columns that only count rows, such as the index that pandas writes."""

import re

from src.errors import InputError
from src.schema import Format
from src.tables.connection import Connection
from src.tables.raw import Part, by_file, stored_rows
from src.tables.sql import ident

# A column without a name, and the names that pandas gives such ones.
UNNAMED = re.compile(r"\(column \d+\)|Unnamed: \d+(\.\d+)*|__index_level_\d+__")


def left_out(con: Connection, table: list[Part], form: Format, names: list[str]) -> dict[str, str]:
    """Say which of the columns are no part of the table, and why.

    Raises InputError for another column without a name.
    """
    found = {}
    for name in filter(UNNAMED.fullmatch, names):
        present, steps_back = counts(con, table, form, name)
        if present == 0:
            found[name] = "it has no name and no value"
        elif steps_back == 0:
            found[name] = "it counts the rows, as pandas' index"
        elif name.startswith("("):
            expected = f"a name in the header; else prepare.drop: [{name!r}] leaves it out"
            raise InputError(f"{table[0].paths[0]}:1", f"no name for {name[1:-1]}", expected)
    return found


def counts(con: Connection, table: list[Part], form: Format, name: str) -> tuple[int, int]:
    """Count the values of a column, and those that are no number above the one before in a file."""
    total = (0, 0)
    for part in by_file(table):
        stored = stored_rows(con, [part], form, [name])
        numbers = f"SELECT {ident(name)} AS value, TRY_CAST(value AS BIGINT) AS number"
        ordered = f"SELECT *, lag(number) OVER () AS last FROM ({numbers} FROM {stored})"
        wrong = "count(*) FILTER (number IS NULL OR number <= last)"
        (row,) = con.execute(f"SELECT count(value), {wrong} FROM ({ordered})").fetchall()
        total = (total[0] + row[0], total[1] + row[1])
    return total
