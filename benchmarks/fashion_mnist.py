"""Measure an mlp and a cnn on Fashion-MNIST by `dvc repro`: test accuracy and wall time.

The split is the official one.

python -m benchmarks.fashion_mnist [FOLDER with the four idx files] [mlp | cnn]
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # package dataset-fashion-mnist
TRAIN = {
    "loss": {"name": "CrossEntropyLoss"},
    "optimizer": {"name": "AdamW", "lr": 0.001, "weight_decay": 0.02},
    "batch_size": 128,
    "scale": "table",
    "monitor": "accuracy",
}
STEPS = 446  # an epoch: 57,072 rows / 128


def one_cycle(max_lr: float, epochs: int) -> dict[str, Any]:
    """Return the params of a one-cycle schedule over so many epochs."""
    rate = {"name": "OneCycleLR", "every": "batch", "max_lr": max_lr, "total_steps": STEPS * epochs}
    return {"epochs": epochs, "scheduler": rate}


MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"model": {"name": "mlp", "hidden": [256, 128], "dropout": 0.2}, **one_cycle(0.003, 10)},
    "cnn": {
        "model": {"name": "cnn", "channels": [32, 64, 128], "hidden": 256, "dropout": 0.3},
        "loss": {"name": "CrossEntropyLoss", "label_smoothing": 0.1},
        "threads": 2,
        **one_cycle(0.004, 12),
    },
}


def params(default: dict[str, Any], folder: str | None, name: str) -> dict[str, Any]:
    """Return this project's params, but for Fashion-MNIST and a model of MODELS."""
    pixels = {"columns": "pixel_00*", "min_value": 0, "max_value": 255}
    return {
        **default,
        "fetch": {"dataset": "fashion-mnist", "folder": folder},
        "prepare": {
            "target": "label",
            "task": "classification",
            "id": "image",
            "split": {"column": "split", "val": 0.05},
        },
        "validate": {"expectations": [{"expect_column_values_to_be_between": pixels}]},
        "train": {**TRAIN, **MODELS[name]},
    }


def main(folder: str | None, names: list[str]) -> None:
    """Print the test accuracy and wall time of each model. folder: of the data; None downloads."""
    yaml = YAML(typ="safe", pure=True)
    default = yaml.load(Path("params.yaml"))
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        for part in ("src", ".dvc/plots"):
            shutil.copytree(part, root / part)
        shutil.copy("dvc.yaml", root)
        (root / "data").mkdir()
        shutil.copy("data/reference.json", root / "data")
        subprocess.run(["dvc", "init", "-q", "--no-scm", "-f"], cwd=root, check=True)
        for name in names:
            yaml.dump(params(default, folder, name), root / "params.yaml")
            start = time.monotonic()
            subprocess.run(["dvc", "repro"], cwd=root, check=True)
            seconds = time.monotonic() - start
            metrics = json.loads((root / "data/evaluation/metrics.json").read_text())
            accuracy = metrics["accuracy"]
            print(
                f"{name}: test accuracy {accuracy}, {seconds:.0f} s for the stages that ran",
                flush=True,
            )


if __name__ == "__main__":
    arguments = sys.argv[1:]
    models = [argument for argument in arguments if argument in MODELS]
    folders = [argument for argument in arguments if argument not in MODELS]
    if not folders and DEBIAN.exists():
        folders = [str(DEBIAN)]
    main(folders[0] if folders else None, models or list(MODELS))
