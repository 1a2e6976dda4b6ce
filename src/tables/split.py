"""Writes the id of a row, and the split that follows from it or from a column, in SQL."""

import duckdb
from pydantic import model_validator

from src.errors import InputError, shown
from src.params import Fraction, Section
from src.schema import SPLITS, Split
from src.tables.sql import as_text, ident, text


class SplitBy(Section):
    """Gives the fractions of the rows, or a column that says train, val or test.

    The fraction of a split that the column never says comes out of its train rows.
    """

    column: str | None = None
    names: dict[str, Split] = {}  # what the column says: the split; beside train, val and test
    val: Fraction = 0.1
    test: Fraction = 0.2

    @model_validator(mode="after")
    def leaves_rows(self) -> "SplitBy":
        """Refuse fractions that leave no rows to train on."""
        if self.val + self.test >= 1:
            raise ValueError("val + test below 1, so that rows to train on are left")
        return self


def content_hash(names: list[str], types: dict[str, str]) -> str:
    """Write the SQL of a row's hash, which is the same for equal rows, in any column order.

    It is also the same whether whole numbers are stored as integers or floats: one appended 1.5
    must not move the rows that hold 1.
    """
    parts = [f"coalesce({as_text(name, types[name])}, chr(30))" for name in sorted(names)]
    return f"left(md5(concat_ws(chr(31), {', '.join(parts)})), 16)"


def split_sql(by: SplitBy, named: set[str], seed: int) -> str:
    """Write the SQL of a row's split: from `id` alone, so that no other row can move it.

    MD5 of seed and id, as a number in [0, 1), is below `test`, below `test + val`, or above.
    named: the splits that the split column says; it decides for all rows but its train rows.
    """
    u = f"md5_number_upper({text(f'{seed}:')} || id) / 18446744073709551616.0"  # 2^64
    test = 0.0 if "test" in named else by.test
    val = 0.0 if "val" in named else by.val
    not_test = f"WHEN {u} < {test + val} THEN 'val' ELSE 'train' END"
    drawn = f"CASE WHEN {u} < {test} THEN 'test' {not_test}"
    if by.column is None:
        return drawn
    said = said_sql(by)
    return f"CASE WHEN {said} = 'train' THEN {drawn} ELSE {said} END"


def said_sql(by: SplitBy) -> str:
    """Write the SQL of the split that the column says, in any case, or by a name that is mapped."""
    assert by.column is not None
    folded = f"lower(trim(CAST({ident(by.column)} AS VARCHAR)))"
    cases = [f"WHEN {text(fold(name))} THEN {text(split)}" for name, split in by.names.items()]
    if not cases:
        return folded
    return f"CASE {folded} {' '.join(cases)} ELSE {folded} END"


def fold(name: str) -> str:
    """Write a split's name as `said_sql` compares it."""
    return name.strip().lower()


def splits_named(con: duckdb.DuckDBPyConnection, by: SplitBy) -> set[str]:
    """Find the splits that the split column says; raise InputError if it says anything else."""
    if by.column is None:
        return set()
    rows = con.execute(f"SELECT DISTINCT {said_sql(by)} FROM typed").fetchall()
    values = {value for (value,) in rows}
    wrong = sorted(map(shown, values - set(SPLITS)))
    if wrong:
        names = f"prepare.split.names: {{{wrong[0]}: train}}, or val or test"
        expected = f"train, val or test in every row; else params.yaml: {names}"
        raise InputError(f"column {by.column!r}", ", ".join(wrong[:3]), expected)
    return values
