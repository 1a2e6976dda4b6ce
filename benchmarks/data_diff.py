"""Measures wall time and peak memory of the data diff, each size in a process of its own.

python -m benchmarks.data_diff [ROWSxCOLUMNS …]        (default: 1000000x21 5000000x21 70000x785)

A table of an id, a category, and numbers; of its second version one row in a hundred is changed.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from reprise.review.data.table_diff import diff_tables
from reprise.review.declared import TableSpec


def table(path: Path, rows: int, columns: int, changed: bool) -> None:
    numbers = ", ".join(
        f"(hash(range, {i}) % 1000003) / 1e3 AS x{i:03}" for i in range(1, columns - 2)
    )
    first = "(hash(range, 0) % 1000003) / 1e3"
    with duckdb.connect(config={"memory_limit": "2GB"}) as con:
        con.execute(
            f"COPY (SELECT range AS id, ['a', 'b', 'c'][1 + range % 3] AS kind, "
            f"{first} + CASE WHEN {changed} AND range % 100 = 0 THEN 1 ELSE 0 END AS x000, "
            f"{numbers} FROM range({rows})) TO '{path}' (FORMAT parquet)"
        )


def measure(folder: Path) -> None:
    start = time.perf_counter()
    sides = [{"t.parquet": folder / f"{side}.parquet"} for side in ("old", "new")]
    found = diff_tables(sides[0], sides[1], TableSpec(id="id", target="kind"), "t.parquet")
    assert found.changed == -(-found.rows_old // 100), found.changed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - start:.1f} s, {peak:.0f} MiB at most")


def main(sizes: list[str]) -> None:
    for size in sizes:
        rows, columns = map(int, size.split("x"))
        with TemporaryDirectory() as folder:
            for side in ("old", "new"):
                table(Path(folder) / f"{side}.parquet", rows, columns, side == "new")
            command = [sys.executable, "-m", "benchmarks.data_diff", "--measure", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"{rows} rows x {columns} columns: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]))
    else:
        main(sys.argv[1:] or ["1000000x21", "5000000x21", "70000x785"])
