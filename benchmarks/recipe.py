"""Measure a recipe: run this project's pipeline by it with three seeds, in a folder of its own.

Writes recipes/NAME.json: the metrics of each seed, and the minutes of CPU that its stages took;
prints also those of the clock. Seeds measured before stay, unless by another recipe.
Fashion-MNIST's files are those of Debian's package dataset-fashion-mnist, or downloaded.

python -m benchmarks.recipe NAME [SEED ...]
"""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recipes.__main__ import put_over, read_recipe
from src.files import write_json

SEEDS = [42, 43, 44]
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def project(root: Path) -> None:
    """Copy what the pipeline needs to the folder, as a DVC repository."""
    os.environ["DVC_NO_ANALYTICS"] = "1"
    for part in ("src", ".dvc/plots"):
        shutil.copytree(part, root / part)
    shutil.copy("dvc.yaml", root)
    (root / "data").mkdir()
    shutil.copy("data/reference.json", root / "data")
    subprocess.run(["dvc", "init", "-q", "--no-scm", "-f"], cwd=root, check=True)


def measure(root: Path, recipe: dict[str, Any], seed: int) -> dict[str, Any]:
    """Run the pipeline with a seed; return the model's metrics, rounded, and its minutes of CPU."""
    text, _ = put_over(Path("params.yaml").read_text(), recipe)
    text = text.replace("seed: 42", f"seed: {seed}")  # of the split and of the training
    (root / "params.yaml").write_text(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["dvc", "repro"], cwd=root, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    metrics = json.loads((root / "data/evaluation/metrics.json").read_text())
    del metrics["baseline"]
    return {**metrics, "cpu_minutes": round((after.ru_utime - before.ru_utime) / 60, 1)}


def fingerprint(recipe: dict[str, Any]) -> str:
    """Return the SHA-256 of a recipe's values, which comments and order do not change."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def measured(file: Path, of: str) -> dict[str, Any]:
    """Return each seed's metrics in the file, none where it is of another recipe, or absent."""
    if not file.exists():
        return {}
    document = json.loads(file.read_text())
    seeds: dict[str, Any] = document["seeds"] if document["recipe"] == of else {}
    return seeds


def main(name: str, seeds: list[int]) -> None:
    """Measure the recipe with each seed; write and print its metrics. tabular: on its tables."""
    if name == "tabular":
        subprocess.run([sys.executable, "-m", "benchmarks.tables"], check=True)
        return
    recipe = read_recipe(name)
    of = fingerprint(recipe)
    if recipe.get("fetch", {}).get("dataset") == "fashion-mnist" and DEBIAN.exists():
        recipe["fetch"]["folder"] = str(DEBIAN)
    file = Path("recipes") / f"{name}.json"
    with TemporaryDirectory() as temporary:
        project(Path(temporary))
        for seed in seeds:
            start = time.monotonic()
            found = measure(Path(temporary), recipe, seed)
            minutes = (time.monotonic() - start) / 60
            print(f"{name}, seed {seed}, {minutes:.1f} minutes: {found}", flush=True)
            seeds_found = measured(file, of) | {str(seed): found}
            write_json(file, {"recipe": of, "seeds": dict(sorted(seeds_found.items()))})


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], [int(seed) for seed in sys.argv[2:]] or SEEDS)
