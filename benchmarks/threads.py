"""Train the digits with 1, 2 and 4 threads, and compare what comes out.

python -m benchmarks.threads [DATA]     after `make repro`; DATA: where its outs are (data)

Of each model: how far the kept weights differ at most from those of one thread, and their
validation loss and accuracy.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyarrow import csv
from safetensors.torch import load_file
from torch import Tensor

from recipes.__main__ import put_over

THREADS = [1, 2, 4]
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "cnn": {"model": {"name": "cnn", "channels": [16, 32]}, "epochs": 5},
}


def train(data: Path, settings: dict[str, Any], threads: int) -> tuple[dict[str, Tensor], Any]:
    """Train as the stage does; return the kept weights, and their epoch's row of the history."""
    overlay = {"train": {**settings, "threads": threads}, "runtime": {"progress": False}}
    text, _ = put_over(Path("params.yaml").read_text(), overlay)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "params.yaml").write_text(text)
        paths = [str(data / "prepared"), str(data / "validated"), "model"]
        command = [sys.executable, "-m", "src.train", *paths]
        # There may be fewer cores than threads, of which those that wait would take all the time.
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path.cwd()),
            "OMP_WAIT_POLICY": "passive",
        }
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        history = csv.read_csv(folder / "model/history.csv").to_pylist()
        weights = load_file(folder / "model/model.safetensors")
        return weights, min(history, key=lambda row: row["val_loss"])


def main(data: Path) -> None:
    """Print a line for each model and number of threads."""
    for name, settings in MODELS.items():
        one: dict[str, Tensor] = {}
        for threads in THREADS:
            weights, kept = train(data, settings, threads)
            one = one or weights
            differs = max(float((weights[key] - one[key]).abs().max()) for key in one)
            scores = f"val loss {kept['val_loss']:.4f}, val accuracy {kept['val_accuracy']:.4f}"
            print(
                f"{name}, {threads} threads: weights differ by {differs:.1g}; {scores}", flush=True
            )


if __name__ == "__main__":
    main(Path(*sys.argv[1:] or ["data"]).resolve())
