"""Measure prepare, validate and predict on big tables of 21 columns: time and peak memory.

The model is trained on a small one. Each stage runs in a process of its own. Seconds are of the
clock; in brackets those of the processor, which other work on the machine changes less.

python -m benchmarks.big_table [ROWS …]        default: 1000000 5000000
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from ruamel.yaml import YAML

LARGEST_CSV = 10_000_000  # rows: 4 GB
MEASURE = r"""
import pathlib, re, runpy, sys, time
sys.argv = sys.argv[1:]
start = time.monotonic()
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
# Not getrusage's, which counts the memory of the process that started this one.
peak = int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
wall, cpu = time.monotonic() - start, time.process_time()
print(f"{wall:.1f} s ({cpu:.1f}), {peak:.0f} MiB at most")
"""


def write_table(path: Path, rows: int) -> None:
    """Write an id, 16 floats, 2 categories, a whole number and the target, from a fixed seed."""
    floats = ", ".join(f"random() * {i + 1} AS x{i:02}" for i in range(16))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SELECT setseed(0.5)")
        connection.execute(
            f"COPY (SELECT range AS key, {floats}, ['a', 'b', 'c'][1 + range % 3] AS c0, "
            f"['u', 'v'][1 + range % 2] AS c1, range % 100 AS k, range // 7 % 2 AS y "
            f"FROM range({rows})) TO '{path}' (FORMAT parquet)"
        )


def params() -> dict[str, Any]:
    """Return the params of the stages."""
    ends = {"columns": "x*", "min_value": 0, "max_value": 16}
    return {
        "prepare": {"seed": 1, "target": "y", "task": "classification", "id": "key"},
        "validate": {
            "expectations": [
                {"expect_column_values_to_be_between": ends},
                {"expect_column_values_to_not_be_null": {"columns": "*"}},
                {"expect_column_mean_to_be_between": dict(ends)},
            ]
        },
        "train": {
            "seed": 1,
            "model": {"name": "mlp", "hidden": [128]},
            "loss": {"name": "CrossEntropyLoss"},
            "optimizer": {"name": "Adam"},
            "epochs": 1,
            "batch_size": 100,
        },
    }


def run(root: Path, stage: str, *arguments: str) -> str:
    """Run a stage in the folder; return what it printed, and what it took."""
    command = [sys.executable, "-c", MEASURE, f"src.{stage}", *arguments]
    result = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return "; ".join(result.stdout.splitlines())


def train_small(root: Path) -> None:
    """Train the model in the folder, on 20,000 rows."""
    (root / "small").mkdir()
    write_table(root / "small" / "small.parquet", 20_000)
    run(root, "prepare", "small", "prepared")
    run(root, "reference", "prepared", "reference.json")
    run(root, "validate", "prepared", "reference.json", "validated")
    run(root, "train", "prepared", "validated", "model")


def measure(root: Path, rows: int) -> None:
    """Print what the stages take for a table of so many rows, in the folder `root`."""
    YAML(typ="safe", pure=True).dump(params(), root / "params.yaml")
    (root / "src").symlink_to(Path("src").resolve())
    train_small(root)
    big = root / "raw" / "big.parquet"
    big.parent.mkdir()
    write_table(big, rows)
    text = root / "big.csv"
    if rows <= LARGEST_CSV:
        duckdb.execute(f"COPY (FROM '{big}') TO '{text}' (HEADER)")
    model = "model/model.safetensors"
    for name, stage, *arguments in (
        ("predict Parquet", "predict", model, str(big), "-o", "predictions.parquet"),
        ("predict CSV", "predict", model, str(text), "-o", "predictions.csv"),
        ("prepare", "prepare", "raw", "prepared"),
        ("reference", "reference", "prepared", "reference.json"),
        ("validate", "validate", "prepared", "reference.json", "validated"),
    ):
        if str(text) in arguments and rows > LARGEST_CSV:
            continue
        print(f"{rows} rows: {name}: {run(root, stage, *arguments)}", flush=True)


def main(sizes: list[int]) -> None:
    """Measure this machine first, then tables of so many rows."""
    start = time.monotonic()
    sum(range(30_000_000))
    print(f"this machine: sum(range(30_000_000)) in {time.monotonic() - start:.2f} s")
    for rows in sizes:
        with TemporaryDirectory() as temporary:
            measure(Path(temporary), rows)


if __name__ == "__main__":
    main(list(map(int, sys.argv[1:])) or [1_000_000, 5_000_000])
