"""Measures wall time and peak memory of comparing predictions, each size in a process of its own.

python -m benchmarks.review [ROWS …]    (default: 1000 5000 1000000)
python -m benchmarks.review replicates [ROWS]    (default: 1000000): whole reports of a repository
    with 5 metrics: of one training a side, and of 10 old and 5 new ones, as with `--replicates`
"""

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import chdir
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


TRAININGS = {"old": 10, "new": 5}
FIVE = {
    "accuracy": {"column": "correct", "better": "higher"},
    **{f"loss_{i}": {"column": f"loss_{i}", "better": "lower"} for i in range(4)},
}


def write_training(file: Path, rows: int, number: int) -> None:
    """Write the predictions of one training, as floats, with ids of 32 characters."""
    shared, own = np.random.default_rng(0), np.random.default_rng(number + 1)
    easy = shared.normal(size=rows)
    logit = 1.5 + 1.5 * easy + 0.7 * own.normal(size=rows) + 0.02 * own.normal()
    order = own.permutation(rows)
    columns = {"id": pa.array([f"{i:032x}" for i in order.tolist()]), "correct": (logit > 0)[order]}
    for i in range(4):
        columns[f"loss_{i}"] = (np.log1p(np.exp(-logit)) + i * easy)[order]
    pq.write_table(pa.table(columns), file)


def write_repository(folder: Path, rows: int) -> None:
    """Make a repository with a commit of the old side and one of the new, and the replicates."""
    predictions = {"meta": {"reprise": {"predictions": {"metrics": FIVE}}}}
    stage = {
        "cmd": "cp ../$(cat side) out.parquet",
        "deps": ["side"],
        "outs": [{"out.parquet": predictions}],
    }
    root = folder / "repository"
    root.mkdir()
    (root / "dvc.yaml").write_text(json.dumps({"stages": {"train": stage}}))
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    commands = [["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]]
    for command in commands:
        subprocess.run(command, cwd=root, check=True)
    number = 0
    for side, count in TRAININGS.items():
        for training in range(count):
            write_training(folder / f"{side}-{training}.parquet", rows, number)
            number += 1
        (root / "side").write_text(f"{side}-0.parquet")
        for command in (
            [sys.executable, "-m", "dvc", "repro", "-q"],
            ["git", "add", "-A"],
            ["git", *author, "commit", "-qm", side],
        ):
            subprocess.run(command, cwd=root, check=True)


def measure_report(folder: Path, *, with_replicates: bool) -> None:
    """Time a whole report, with its import."""
    start = time.monotonic()
    from reprise.dvc.history.reader import RevisionReader
    from reprise.review.builder import build_report, read_sides
    from reprise.review.predictions import Replicates, compare_predictions
    from reprise.review.sides import find_sides

    replicates = None
    if with_replicates:
        sides = {}
        for side, count in TRAININGS.items():
            files = [folder / f"{side}-{training}.parquet" for training in range(1, count)]
            sides[side] = {"out.parquet": files}
        replicates = Replicates(**sides)
    notes: list[str] = []
    with (
        chdir(folder / "repository"),
        TemporaryDirectory() as temporary,
        RevisionReader(Path(temporary)) as reader,
    ):
        old, new = read_sides(reader, *find_sides(reader, "HEAD~1", "HEAD"))
        compared = compare_predictions(reader, old, new, notes, replicates=replicates)
        report = build_report(reader, old, new, compared, notes)
    comparison = report.compared[0].comparison
    print(
        f"  {comparison.seeds_old} and {comparison.seeds_new} trainings, {comparison.paired} rows "
        f"paired, {len(comparison.metrics)} metrics: {time.monotonic() - start:.1f} s, "
        f"{peak():.0f} MiB at most",
        flush=True,
    )


def main_replicates(rows: int) -> None:
    with TemporaryDirectory() as folder:
        write_repository(Path(folder), rows)
        for kind in ("alone", "replicates"):
            command = [sys.executable, "-m", "benchmarks.review", "--report", folder, kind]
            subprocess.run(command, check=True, env={**os.environ, "DVC_NO_ANALYTICS": "1"})


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
    elif sys.argv[1:2] == ["--report"]:
        measure_report(Path(sys.argv[2]), with_replicates=sys.argv[3] == "replicates")
    elif sys.argv[1:2] == ["replicates"]:
        main_replicates(int(sys.argv[2]) if sys.argv[2:] else 1_000_000)
    else:
        main([int(a) for a in sys.argv[1:]] or [1000, 5000, 1_000_000])
