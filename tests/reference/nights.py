"""Makes a table of customers, and the nights that come after it: good ones and each kind of bad."""

import csv
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SECTION = {"target": "churned", "task": "classification", "id": "key"}


def customers(n: int, start: int = 0, drift: float = 0.0) -> list[Row]:
    """Make customers from number `start` on. drift: how much higher their incomes are."""
    dice = random.Random(start)
    rows = []
    for i in range(start, start + n):
        age = dice.randint(18, 90)
        rows.append(
            {
                "key": f"k{i:06}",
                "age": age,
                "income": round(dice.lognormvariate(10 + drift, 0.5), 2),
                "height": round(dice.gauss(170, 9), 1),
                "plan": dice.choices(["basic", "plus", "pro"], [6, 3, 1])[0],
                "joined": date(2022, 1, 1) + timedelta(days=i // 4 % 720),
                "churned": "yes" if dice.random() < age / 100 else "no",
            }
        )
    return rows


def changed(rows: list[Row], change: Callable[[Row], Row]) -> list[Row]:
    return [{**row, **change(row)} for row in rows]


def renamed(rows: list[Row], old: str, new: str) -> list[Row]:
    return [{new if name == old else name: row[name] for name in row} for row in rows]


def other_order(row: Row) -> Row:
    """Swap day and month, as who takes 2024-01-05 for the first of May. Others are left out."""
    day = row["joined"]
    return {"joined": day.replace(month=day.day, day=day.month) if day.day <= 12 else None}


# A kind of bad night: how it comes of a good one, and words of its line.
BAD: dict[str, tuple[Callable[[list[Row]], list[Row]], str]] = {
    "a new label": (
        lambda rows: changed(rows[:5], lambda row: {"churned": "maybe"}) + rows[5:],
        "target 'churned': found new: 'maybe'; expected the classes 'no', 'yes'",
    ),
    "one text in a number column": (
        lambda rows: [{**rows[0], "age": "unknown"}, *rows[1:]],
        "column 'age': found 'unknown'",
    ),
    "a lost column": (
        lambda rows: [{name: row[name] for name in row if name != "income"} for row in rows],
        "column 'income'",
    ),
    "a renamed column": (lambda rows: renamed(rows, "income", "salary"), "column 'income'"),
    "no targets": (
        lambda rows: changed(rows, lambda row: {"churned": None}),
        "target 'churned': found 400 of 2000 rows without a value; expected 10 % at most",
    ),
    "a key twice": (
        lambda rows: [*rows, rows[-1]],
        "id 'key': found 1 of 2001 rows whose id another row has; expected 0 % at most",
    ),
    "swapped columns": (
        lambda rows: changed(rows, lambda row: {"age": row["height"], "height": row["age"]}),
        "columns 'age' and 'height': found each with the other's values",
    ),
    "other units": (
        lambda rows: changed(rows, lambda row: {"income": row["income"] * 1000}),
        "times larger in the 400 rows since the reference; expected about 23,000 in size: "
        "are they in other units?",
    ),
    "units a thousand times larger": (
        lambda rows: changed(rows, lambda row: {"height": row["height"] / 1000}),
        "times smaller in the 400 rows since the reference",
    ),
    "another order of dates": (
        lambda rows: changed(rows, other_order),
        "column 'joined': found 0 % of days after the 12th of a month",
    ),
    "an empty column": (
        lambda rows: changed(rows, lambda row: {"height": None}),
        "column 'height': found 400 of",
    ),
    "other categories": (
        lambda rows: changed(rows, lambda row: {"plan": row["plan"].upper()}),
        "rows of new categories, such as 'BASIC'",
    ),
    "a number for what is missing": (
        lambda rows: changed(rows, lambda row: {"age": -9999}),
        "column 'age': found",
    ),
}


def write(path: Path, rows: list[Row]) -> None:
    """Write the rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
