"""Measures how often the data diff flags drift where none is, and how often it finds some.

python -m benchmarks.drift [ROWS …]    (default: 100 1000 10000; SIMULATIONS=400 of each)

Rows are drawn from one distribution: 24 columns of every kind, a label, a date that goes on, and
row numbers. A null change appends rows, replaces some, or draws all anew under the same ids.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.calibration import Rng, share
from reprise.review.data.database import Files
from reprise.review.data.drift import LEVEL
from reprise.review.data.table_diff import TableDiff, diff_tables
from reprise.review.declared import TableSpec

SIMULATIONS = int(os.environ.get("SIMULATIONS", "400"))
SPEC = TableSpec(id="id", target="label")
EACH = 4  # columns of a kind
Columns = dict[str, np.ndarray]
Change = Callable[[Rng, int], tuple[Columns, Columns]]


def draw(rng: Rng, rows: int, start: int = 0) -> Columns:
    """Draw rows whose ids, numbers and days go on from `start`."""
    columns: Columns = {"id": np.arange(start, start + rows)}
    columns["day"] = np.datetime64("2026-01-01") + (columns["id"] + rng.integers(0, 9, rows)) // 10
    columns["number"] = columns["id"] * 1
    columns["label"] = np.where(rng.random(rows) < 0.2, "yes", "no")
    columns["code"] = np.array([f"c{i}" for i in columns["id"]])
    for i in range(EACH):
        columns[f"income{i}"] = np.exp(10 + 0.6 * rng.normal(size=rows))
        columns[f"gaps{i}"] = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows))
        columns[f"zeros{i}"] = np.where(rng.random(rows) < 0.9, 0, rng.random(rows))
        columns[f"count{i}"] = rng.poisson(2, rows)
        columns[f"kind{i}"] = rng.choice(list("abcde"), rows)
        columns[f"rare{i}"] = (1 / (1.001 - rng.random(rows))).astype(int).astype(str)
    return columns


def joined(*parts: Columns) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def appended(fraction: float, factor: float = 1.0) -> Change:
    """Append rows; factor: times the first income of those."""

    def change(rng: Rng, rows: int) -> tuple[Columns, Columns]:
        old = draw(rng, rows)
        more = draw(rng, round(fraction * rows), rows)
        more["income0"] *= factor
        return old, joined(old, more)

    return change


def replaced(fraction: float) -> Change:
    """Drop the first rows, and append as many."""

    def change(rng: Rng, rows: int) -> tuple[Columns, Columns]:
        old = draw(rng, rows)
        count = round(fraction * rows)
        kept = {name: values[count:] for name, values in old.items()}
        return old, joined(kept, draw(rng, count, rows))

    return change


def redrawn(rng: Rng, rows: int) -> tuple[Columns, Columns]:
    return draw(rng, rows), draw(rng, rows)


NULLS = {
    "a fifth appended": appended(0.2),
    "a twentieth appended": appended(0.05),
    "as many appended": appended(1.0),
    "a fifth replaced": replaced(0.2),
    "all drawn anew": redrawn,
}
DRIFTED = {
    "a fifth appended, income x 1.65": appended(0.2, 1.65),
    "a fifth appended, income x 1.25": appended(0.2, 1.25),
}


def compare(folder: Path, change: Change, rng: Rng, rows: int) -> TableDiff:
    """Draw both versions and compare them, by way of Parquet."""
    sides: list[Files] = []
    for name, columns in zip(("old", "new"), change(rng, rows), strict=True):
        path = folder / f"{name}.parquet"
        pq.write_table(
            pa.table({n: pa.array(v, from_pandas=True) for n, v in columns.items()}), path
        )
        sides.append({"t.parquet": path})
    return diff_tables(sides[0], sides[1], SPEC, "t.parquet")


def alarms(diff: TableDiff) -> list[str]:
    """Name what is said to have drifted: columns, and the classes."""
    names = [column.name for column in diff.columns if column.flag]
    if diff.classes_p is not None and diff.classes_p <= LEVEL:
        names.append("classes")
    return names


def tally(change: Change, rows: int, simulations: int) -> tuple[int, int, dict[str, int]]:
    """Count the tables with any alarm, those with one of `income0`, and alarms by name."""
    any_alarm = found = 0
    by_name: dict[str, int] = {}
    with TemporaryDirectory() as folder:
        for seed in range(simulations):
            names = alarms(compare(Path(folder), change, np.random.default_rng([rows, seed]), rows))
            any_alarm += bool(names)
            found += "income0" in names
            for name in names:
                by_name[name] = by_name.get(name, 0) + 1
    return any_alarm, found, by_name


def main(sizes: list[int]) -> None:
    for rows in sizes:
        for title, change in NULLS.items():
            any_alarm, _, by_name = tally(change, rows, SIMULATIONS)
            where = ", ".join(f"{name} {count}" for name, count in sorted(by_name.items()))
            print(
                f"{rows} rows, {title:<22} any alarm {share(any_alarm, SIMULATIONS)} {where}",
                flush=True,
            )
        for title, change in DRIFTED.items():
            _, found, _ = tally(change, rows, SIMULATIONS)
            print(f"{rows} rows, {title:<33} found {share(found, SIMULATIONS)}", flush=True)


if __name__ == "__main__":
    main([int(a) for a in sys.argv[1:]] or [100, 1000, 10_000])
