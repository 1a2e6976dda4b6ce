"""Measure train's peak memory, above that of a run with no data to speak of, and rows a second.

Each training runs in a process of its own: rows in memory and on disk, and on disk where a control
group leaves a quarter of what they take. All of one table and order must write the same bytes.

python -m benchmarks.train_memory [CASE …]        default: numbers-1M numbers-5M images
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from src.passed import write_passed
from src.schema import SPLITS, Column, Rows, Schema
from src.tables.csv_files import dialect
from src.tables.format import Csv
from src.tables.split_files import row_group_of
from src.training.memory import GROUPS, OWN, own_groups

MIB = 1 << 20
MEASURE = r"""
import os, pathlib, re, runpy, sys, time
group, *sys.argv = sys.argv[1:]
if group:
    pathlib.Path(group, "cgroup.procs").write_text(str(os.getpid()))
from src import train
fit = train.fit
def timed(*arguments, **others):
    start = time.monotonic()
    fit(*arguments, **others)
    print(f"SECONDS {time.monotonic() - start:.2f}")
train.fit = timed
train.run(train.Params.load(), *map(pathlib.Path, sys.argv))
status = pathlib.Path("/proc/self/status").read_text()
print("PEAK", int(re.search(r"VmHWM:\s*(\d+)", status)[1]))
"""


class Case(NamedTuple):
    """Describes a table: rows of so many columns of a type of DuckDB's."""

    rows: int
    columns: int
    type: str


CASES = {
    "numbers-1M": Case(1_000_000, 21, "DOUBLE"),
    "numbers-5M": Case(5_000_000, 21, "DOUBLE"),
    "images": Case(60_000, 784, "UTINYINT"),
}


class Result(NamedTuple):
    """Holds what a training took, and the bytes that it wrote."""

    peak: float  # MiB
    seconds: float  # of the epochs
    outs: list[bytes]


def some_rows(case: Case, start: int, rows: int, all_rows: int) -> pa.Table:
    """Make some of all rows at random, sorted by their class, which is the hardest for blocks."""
    generator = np.random.default_rng(start)
    x: np.ndarray = generator.normal(size=(rows, case.columns))
    if case.type == "UTINYINT":
        x = generator.integers(0, 256, (rows, case.columns), dtype=np.uint8)
    number = np.arange(start, start + rows)
    columns = {f"x{i:03}": x[:, i] for i in range(case.columns)}
    return pa.table({"id": number.astype(str), **columns, "label": number * 2 // all_rows})


def write_prepared(folder: Path, case: Case, rows: int) -> None:
    """Write the splits, in row groups and pages as `prepare` does, and what goes with them."""
    folder.mkdir()
    row_group = row_group_of(case.columns + 2)
    for split in SPLITS:
        count = rows if split == "train" else 1000
        writer = None
        for start in range(0, count, row_group):
            table = some_rows(case, start, min(row_group, count - start), count)
            path = folder / f"{split}.parquet"
            writer = writer or pq.ParquetWriter(path, table.schema, use_dictionary=[])
            writer.write_table(table)
        assert writer is not None
        writer.close()
    columns = []
    for i in range(case.columns):
        columns.append(Column(name=f"x{i:03}", type=case.type, kind="number", missing=0))
    Schema(
        task="classification",
        target="label",
        target_type="BIGINT",
        id="id",
        columns=columns,
        format=dialect([Path("table.parquet")], Csv()),
        ignored={},
        classes=[0, 1],
        rows=Rows(read=rows + 2000, without_target=0, train=rows, val=1000, test=1000),
    ).write(folder)
    write_passed(folder, folder)


def train(folder: Path, shuffle: object, memory: int | None, group: Path | None = None) -> Result:
    """Train a linear model, an epoch; memory: MB, as in params.yaml."""
    p: dict[str, Any] = {
        "train": {
            "seed": 1,
            "model": {"name": "linear"},
            "loss": {"name": "CrossEntropyLoss"},
            "optimizer": {"name": "SGD", "lr": 0.01},
            "epochs": 1,
            "batch_size": 100,
            "shuffle": shuffle,
        },
        "runtime": {"progress": False, "memory": memory, "log_every": 10**6},
    }
    (folder / "params.yaml").write_text(json.dumps(p))
    command = [sys.executable, "-c", MEASURE, str(group or ""), ".", ".", "model"]
    environment = {"PYTHONPATH": str(Path.cwd()), "TMPDIR": str(folder)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if result.returncode == -signal.SIGKILL:
        sys.exit("  killed: it takes more memory than its limit leaves")
    if result.returncode:
        sys.exit(result.stderr)
    peak, seconds = (re.search(rf"{word} (\S+)", result.stdout) for word in ("PEAK", "SECONDS"))
    assert peak is not None
    assert seconds is not None
    outs = [(folder / "model" / name).read_bytes() for name in ("model.safetensors", "history.csv")]
    return Result(int(peak[1]) / 1024, float(seconds[1]), outs)


@contextmanager
def limited(mib: float) -> Iterator[Path | None]:
    """Make a control group that holds so much; None where this machine lets us make none."""
    parent = next((g for g in own_groups(OWN, GROUPS) if (g / "memory.stat").exists()), None)
    if parent is None:
        yield None
        return
    group = parent / "train-memory"
    try:
        group.mkdir(exist_ok=True)  # a killed run leaves it
    except OSError as e:
        print(f"  {e}")
        yield None
        return
    names = ("memory.limit_in_bytes", "memory.max")
    try:
        for name in names:
            if (group / name).exists():
                (group / name).write_text(str(int(mib * MIB)))
        yield group
    finally:
        group.rmdir()


def measure(folder: Path, name: str) -> None:
    """Print what the trainings of one case took."""
    case = CASES[name]
    size = case.columns * (1 if case.type == "UTINYINT" else 4) + 8
    encoded = case.rows * size / MIB
    print(f"{name}: {case.rows} x {case.columns}, {encoded:.0f} MiB encoded", flush=True)
    write_prepared(folder / "empty", case, 1000)
    write_prepared(folder / "full", case, case.rows)
    empty = train(folder / "empty", True, None).peak
    print(f"  1000 rows alone: {empty:.0f} MiB at most")

    def show(words: str, result: Result) -> Result:
        above = (result.peak - empty) / encoded
        speed = case.rows / result.seconds
        print(
            f"  {words:32} {result.peak:5.0f} MiB at most, {above:4.2f} x encoded above that;"
            f" {speed:9,.0f} rows/s",
            flush=True,
        )
        return result

    for shuffle in (True, "blocks"):
        kept = show(f"in memory, shuffle: {shuffle}", train(folder / "full", shuffle, None))
        disk = show(f"on disk, shuffle: {shuffle}", train(folder / "full", shuffle, 0))
        assert kept.outs == disk.outs
        # Of the rest, the libraries' files are not of this group: others have read them before.
        with limited(empty + encoded / 4) as group:
            if group is None:
                print("  no control group here: not run with a limit")
                continue
            held = train(folder / "full", shuffle, None, group)
            show(f"{empty + encoded / 4:.0f} MiB, shuffle: {shuffle}", held)
            assert kept.outs == held.outs
    print("  same bytes from memory and from disk")


def main(names: list[str]) -> None:
    """Measure the named cases."""
    for name in names:
        with TemporaryDirectory() as temporary:
            measure(Path(temporary), name)


if __name__ == "__main__":
    main(sys.argv[1:] or list(CASES))
