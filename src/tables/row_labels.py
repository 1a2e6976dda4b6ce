"""Finds columns that only count rows, such as the index that pandas writes."""

import re

from src.errors import InputError
from src.schema import Format
from src.tables.connection import Connection
from src.tables.raw import Part, columns_of, relation

# A column without a name, and the names that pandas gives such ones.
UNNAMED = re.compile(r"\(column \d+\)|Unnamed: \d+(\.\d+)*|__index_level_\d+__")


def left_out(con: Connection, table: list[Part], form: Format, names: list[str]) -> dict[str, str]:
    """Say which of the columns are no part of the table, and why.

    Raises InputError for another column without a name.
    """
    found = {}
    for name in filter(UNNAMED.fullmatch, names):
        counted = [counts(con, one, form, name) for part in table for one in part.each()]
        if all(present == 0 for _, present, _ in counted):
            found[name] = "it has no name and no value"
        elif all(steps_back == 0 for _, _, steps_back in counted):
            found[name] = "it counts the rows, as pandas' index"
        elif name.startswith("("):
            expected = f"a name in the header; else prepare.drop: [{name!r}] leaves it out"
            raise InputError(f"{table[0].paths[0]}:1", f"no name for {name[1:-1]}", expected)
    return found


def counts(con: Connection, part: Part, form: Format, name: str) -> tuple[int, int, int]:
    """Count a file's rows, those with a value, and those whose number is not above the last."""
    (column,) = columns_of(part, [name])
    numbers = f"SELECT {column} AS value, TRY_CAST({column} AS BIGINT) AS number"
    last = "SELECT *, lag(number) OVER () AS last"
    query = (
        f"SELECT count(*), count(value), count(*) FILTER (number IS NULL OR number <= last) "
        f"FROM ({last} FROM ({numbers} FROM {relation(con, part, form)}))"
    )
    row = con.execute(query).fetchone()
    assert row is not None
    return row
