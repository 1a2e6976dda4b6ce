"""The id of a row, and the split that follows from it or from a column, in SQL."""

import duckdb
from pydantic import model_validator

from src.errors import InputError, shown
from src.params import Fraction, Section
from src.schema import SPLITS
from src.tables import as_text, ident, text


class SplitBy(Section):
    """Fractions of the rows; or a column that says train, val or test, the fraction of a split
    that it never says then coming out of its train rows."""

    column: str | None = None
    val: Fraction = 0.1
    test: Fraction = 0.2

    @model_validator(mode="after")
    def leaves_rows(self) -> "SplitBy":
        if self.val + self.test >= 1:
            raise ValueError("val + test below 1, so that rows to train on are left")
        return self


def content_hash(names: list[str], types: dict[str, str]) -> str:
    """SQL of a row's hash: the same for equal rows, in any column order, and whether whole numbers
    are stored as integers or floats (one appended 1.5 must not move the rows that hold 1)."""
    parts = [f"coalesce({as_text(n, types[n])}, chr(30))" for n in sorted(names)]
    return f"left(md5(concat_ws(chr(31), {', '.join(parts)})), 16)"


def split_sql(by: SplitBy, named: set[str], seed: int) -> str:
    """SQL of a row's split, from `id` alone, so that no other row can move it; or the split column.

    MD5 of seed and id, as a number in [0, 1), is below `test`, below `test + val`, or above.
    """
    u = f"md5_number_upper({text(f'{seed}:')} || id) / 18446744073709551616.0"  # 2^64
    test = 0.0 if "test" in named else by.test
    val = 0.0 if "val" in named else by.val
    drawn = (
        f"CASE WHEN {u} < {test} THEN 'test' WHEN {u} < {test + val} THEN 'val' ELSE 'train' END"
    )
    if by.column is None:
        return drawn
    said = ident(by.column)
    return f"CASE WHEN {said} = 'train' THEN {drawn} ELSE {said} END"


def splits_named(con: duckdb.DuckDBPyConnection, by: SplitBy) -> set[str]:
    """The splits that the split column says; InputError if it says anything else."""
    if by.column is None:
        return set()
    rows = con.execute(f"SELECT DISTINCT {ident(by.column)} FROM typed").fetchall()
    wrong = sorted(shown(value) for (value,) in rows if value not in SPLITS)
    if wrong:
        raise InputError(
            f"column {by.column!r}", ", ".join(wrong[:3]), "train, val or test in every row"
        )
    return {value for (value,) in rows}
