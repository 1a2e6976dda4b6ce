"""Measures wall time and peak memory of comparing predictions, each size in a process of its own.

python -m benchmarks.review [ROWS …]    (default: 1000 5000 1000000)
"""

import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

METRICS = {
    "accuracy": {"column": "correct", "better": "higher"},
    "log_loss": {"column": "loss", "better": "lower"},
    "squared_error": {"column": "squared", "better": "lower"},
}


def write(folder: Path, rows: int) -> None:
    """Write both tables: ids of 32 characters, in another order in new; a group is ten rows."""
    rng = np.random.default_rng(0)
    easy = rng.normal(size=rows)
    for name in ("old", "new"):
        logit, order = 1.5 + 1.5 * easy + 0.7 * rng.normal(size=rows), rng.permutation(rows)
        columns = {
            "correct": logit > 0,
            "loss": np.log1p(np.exp(-logit)),
            "squared": (logit - easy) ** 2,
        }
        ids = pa.array([f"{i:032x}" for i in order.tolist()])
        table = pa.table(
            {"id": ids, "group": order // 10, **{k: v[order] for k, v in columns.items()}}
        )
        pq.write_table(table, folder / f"{name}.parquet")


def measure(folder: Path, group: str | None) -> None:
    """Time the import, reading two Parquet files, and the comparison."""
    start = time.monotonic()
    from reprise.review.declared import PredictionsSpec
    from reprise.review.stats.verdicts import compare_metrics

    spec = PredictionsSpec.model_validate({"metrics": METRICS, "group": group})
    imported = time.monotonic()
    old, new = (pq.read_table(folder / f"{name}.parquet") for name in ("old", "new"))
    read = time.monotonic()
    before = peak()
    for metric in compare_metrics([old], [new], spec).metrics:
        interval = f"{metric.low} to {metric.high}"
        print(f"    {metric.name}: {metric.difference} ({interval}): {metric.verdict}")
    done = time.monotonic()
    print(
        f"  group {group}: import {imported - start:.1f} s, read {read - imported:.1f} s, "
        f"compare {done - read:.1f} s, "
        f"{peak():.0f} MiB at most ({before:.0f} before comparing)"
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(sizes: list[int]) -> None:
    for rows in sizes:
        with TemporaryDirectory() as folder:
            write(Path(folder), rows)
            print(f"{rows} rows paired, {len(METRICS)} metrics", flush=True)
            for group in ("", "group"):
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.review", "--measure", folder, group],
                    check=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]), sys.argv[3] or None)
    else:
        main([int(a) for a in sys.argv[1:]] or [1000, 5000, 1_000_000])
