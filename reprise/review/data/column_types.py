"""DuckDB's types of one column in two versions of a table: what both can be compared as."""

import re

INTEGER = re.compile(r"^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
FLOAT = re.compile(r"^(FLOAT|DOUBLE)$")
NUMBER = re.compile(rf"{INTEGER.pattern}|{FLOAT.pattern}|^DECIMAL.*$")
DATE = re.compile(r"^(DATE|TIMESTAMP.*)$")


def common_type(old: str, new: str) -> str:
    """Numbers stay numbers, at the coarser precision, so that a column stored anew is no change of all its rows.

    1 is 1.0, and 0.1 as a double is 0.1 as a float. What is of two kinds is compared as text.
    """
    if old == new:
        return old
    if FLOAT.match(old) and FLOAT.match(new):
        return "FLOAT"
    if INTEGER.match(old) and INTEGER.match(new):
        return "HUGEINT"
    if NUMBER.match(old) and NUMBER.match(new):
        return "DOUBLE"
    if DATE.match(old) and DATE.match(new):
        return "TIMESTAMP"
    return "VARCHAR"
