"""Measures what reports say of pull requests in which nothing but the training's seed differs.

python -m benchmarks.seeds [TABLE ...]    (default: digits synthetic regression; also fashion)

Real trainings by the functions of the train stage: TRAININGS=60 of the declared recipe, and half as
many of recipes that differ. REQUESTS=200 pull requests are drawn from them: 10 trainings of the
base and 5 of the change, none of which is another. Without replicates, the first of either side
says whether the *model* moved. With them, as a report does, the other four are trained where the
rows find something, and all say whether the *change* moved. Requests share trainings and all test
rows, so that the intervals (Clopper and Pearson) are too narrow. SEEDS_ALONE=1 leaves out the
recipes that differ.

`textbook`: the normal power of the same test for the mean difference of all trainings, on these
rows. A synthetic table has 2,000 training rows; its first 1,000, 10,000 and 100,000 test rows are
judged. Fashion-MNIST's files are those of Debian's package dataset-fashion-mnist.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats

from benchmarks.calibration import share
from benchmarks.recipe import DEBIAN
from recipes.__main__ import round_trip
from reprise.review.declared import PredictionsSpec
from reprise.review.stats.results import Verdict
from reprise.review.stats.seeds import seeds_difference
from reprise.review.stats.verdicts import compare_metrics
from src import prepare, train
from src.datasets.catalog import digits, fashion_mnist
from src.model_file import Model
from src.schema import Schema
from src.training.build import choose
from src.training.checkpoint import Checkpoints
from src.training.key import Identity
from src.training.watch import Watch

TRAININGS = int(os.environ.get("TRAININGS", "60"))
REQUESTS = int(os.environ.get("REQUESTS", "200"))
SEEDS_ALONE = "SEEDS_ALONE" in os.environ
CRITICAL = 50  # requests whose critical difference is taken
BASE, CHANGE = 10, 5  # trainings of a side, as params declare
KEY = "key"
MOVED = (Verdict.BETTER, Verdict.WORSE)
Recipe = dict[str, Any]
SPECS = {
    "classification": PredictionsSpec.model_validate(
        {"metrics": {"loss": {"column": "loss", "better": "lower"}}}
    ),
    "regression": PredictionsSpec.model_validate(
        {"metrics": {"mse": {"column": "loss", "better": "lower"}}}
    ),
}


class Case(NamedTuple):
    """Holds a table and how it is trained. sizes: of test rows to judge; None: all."""

    make: Callable[[], pa.Table]
    task: str
    target: str
    sizes: list[int | None]
    recipe: Recipe
    dropped: str


def synthetic(task: str) -> pa.Table:
    """Draw rows of ten features, of which an interaction and a wave make the target."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(102_500, 10))
    signal = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(2 * x[:, 3]) + 0.3 * x[:, 4]
    noisy = signal + rng.normal(size=len(x))
    columns: dict[str, Any] = {f"x{i}": column for i, column in enumerate(x.T)}
    columns["y"] = noisy if task == "regression" else (noisy > 0).astype("int8")
    columns["split"] = np.repeat(["train", "val", "test"], [2_000, 500, 100_000])
    return pa.table(columns)


RECIPE: Recipe = {
    "model": {"name": "mlp", "hidden": [128]},
    "optimizer": {"name": "SGD", "lr": 0.1},
    "epochs": 5,
    "batch_size": 50,
    "scale": "column",
}
CASES = {
    "digits": Case(
        digits, "classification", "digit", [None], {**RECIPE, "scale": "table"}, "pixel_36"
    ),
    "synthetic": Case(
        lambda: synthetic("classification"),
        "classification",
        "y",
        [1_000, 10_000, 100_000],
        RECIPE,
        "x4",
    ),
    "regression": Case(lambda: synthetic("regression"), "regression", "y", [10_000], RECIPE, "x4"),
    "fashion": Case(
        lambda: fashion_mnist(DEBIAN).drop_columns("image"),
        "classification",
        "label",
        [None],
        {**RECIPE, "scale": "table", "epochs": 3, "batch_size": 100},
        "pixel_406",
    ),
}


def read_params(
    case: Case, columns: list[str], changes: Recipe, dropped: list[str]
) -> dict[str, Any]:
    """Return this project's params for the case, with changes of its recipe."""
    document: dict[str, Any] = round_trip().load(Path("params.yaml").read_text())
    document["train"] |= {**case.recipe, **changes, "loss": None}
    document["prepare"] |= {"target": case.target, "task": case.task, "drop": dropped, "id": KEY}
    if "split" in columns:
        document["prepare"]["split"] = {**document["prepare"]["split"], "column": "split"}
    document["runtime"] |= {"progress": False, "checkpoint": None, "keep_last": False}
    return document


def trained(case: Case, table: pa.Table, changes: Recipe, dropped: list[str]) -> Iterator[Any]:
    """Prepare the table and train on it, a seed after the other; yield each row's loss, [rows]."""
    document = read_params(case, table.column_names, changes, dropped)
    with TemporaryDirectory() as temporary:
        raw, prepared = Path(temporary) / "raw", Path(temporary) / "prepared"
        raw.mkdir()
        pq.write_table(table, raw / "table.parquet")
        prepare.run(prepare.Params.model_validate(document), raw, prepared)
        schema = Schema.read(prepared)
        tested = pq.read_table(prepared / "test.parquet").sort_by("id")
        for seed in range(TRAININGS):
            document["train"]["seed"] = seed
            yield losses(fitted(document, prepared, schema), tested, schema)


def fitted(document: dict[str, Any], prepared: Path, schema: Schema) -> Model:
    """Train as the stage does."""
    params = train.Params.model_validate(document)
    rows = train.rows_of("train", prepared, schema)
    val = train.rows_of("val", prepared, schema)
    checkpoints = Checkpoints(None, None, Identity({}))
    chosen = choose(params.train, schema)
    watch = Watch(params.runtime, params.train.epochs, len(rows))
    model, _ = train.train_model(params, chosen, schema, rows, val, checkpoints, watch)
    return model


def losses(model: Model, tested: pa.Table, schema: Schema) -> np.ndarray:
    """Return the loss of each row, [rows], as evaluate writes it."""
    if schema.task == "regression":
        truth = tested[schema.target].to_numpy()
        squared: np.ndarray = (model.estimate(tested).numpy() - truth) ** 2
        return squared
    _, probability = model.classify(tested)
    truth = model.encoder.targets(tested).numpy()
    of_truth = probability.numpy()[np.arange(len(truth)), truth]
    logarithms: np.ndarray = -np.log(np.maximum(of_truth, np.finfo(np.float32).tiny))
    return logarithms


def tables(losses: np.ndarray) -> list[pa.Table]:
    """Make a table of each training's losses."""
    return [pa.table({"id": np.arange(len(row)), "loss": row}) for row in losses]


def judge(case: Case, old: np.ndarray, new: np.ndarray) -> bool:
    """Tell whether the report says better or worse. old, new: losses, [trainings, rows]."""
    comparison = compare_metrics(tables(old), tables(new), SPECS[case.task])
    assert comparison.judges_change == (len(new) > 1)
    return comparison.primary.verdict in MOVED


class Tally(NamedTuple):
    """Counts pull requests of which the model, or the change, is said to be better or worse."""

    by_rows: int
    by_change: int


def tally(case: Case, old: np.ndarray, new: np.ndarray | None, rng: np.random.Generator) -> Tally:
    """Draw pull requests and judge them. new: None draws both sides from `old`."""
    by_rows = by_change = 0
    for _ in range(REQUESTS):
        drawn = rng.permutation(len(old))
        base, change = old[drawn[:BASE]], old[drawn[BASE : BASE + CHANGE]]
        if new is not None:
            change = new[rng.permutation(len(new))[:CHANGE]]
        if judge(case, base[:1], change[:1]):
            by_rows += 1
            by_change += judge(case, base, change)
    return Tally(by_rows, by_change)


def textbook(old: np.ndarray, new: np.ndarray, rng: np.random.Generator) -> float:
    """Compute the power of the test by all trainings' mean difference and deviations.

    The critical difference is that of drawn requests, over which the power is averaged.
    """
    spread = (old.mean(1).var(ddof=1) / BASE + new.mean(1).var(ddof=1) / CHANGE) ** 0.5
    difference = new.mean() - old.mean()
    powers = []
    for _ in range(CRITICAL):
        base, change = rng.permutation(len(old))[:BASE], rng.permutation(len(new))[:CHANGE]
        estimate = seeds_difference(old[base], new[change], None, None)
        critical = (estimate.high - estimate.low) / 2
        below = stats.norm.cdf((-critical - difference) / spread)
        powers.append(below + stats.norm.sf((critical - difference) / spread))
    return float(np.mean(powers))


def describe(name: str, found: Tally) -> str:
    """Write a line. The trainings are those of one more request, once the base has its ten."""
    trainings = 1 + (CHANGE - 1) * found.by_rows / REQUESTS
    return (
        f"{name}: model moved {share(found.by_rows, REQUESTS)}, change moved "
        f"{share(found.by_change, REQUESTS)}, {trainings:.1f} trainings a request"
    )


def main(names: list[str]) -> None:
    """Print a line for each table, size and change."""
    for name in names:
        case = CASES[name]
        table = case.make()
        table = table.append_column(KEY, pa.array(range(len(table))))
        changes: dict[str, tuple[Recipe, list[str]]] = {
            "seed alone": ({}, []),
            "hidden 64": ({"model": {"name": "mlp", "hidden": [64]}}, []),
            "lr halved": ({"optimizer": {"name": "SGD", "lr": 0.05}}, []),
            f"without {case.dropped}": ({}, [case.dropped]),
        }
        if SEEDS_ALONE:
            changes = {"seed alone": changes["seed alone"]}
        pools: dict[str, np.ndarray] = {}
        for title, (recipe, dropped) in changes.items():
            most = TRAININGS if title == "seed alone" else TRAININGS // 2
            with redirect_stdout(io.StringIO()):
                runs = trained(case, table, recipe, dropped)
                pools[title] = np.stack([loss for loss, _ in zip(runs, range(most), strict=False)])
        rng = np.random.default_rng(1)
        old = pools.pop("seed alone")
        for size in case.sizes:
            rows = old.shape[1] if size is None else size
            where = f"{name}, {rows} test rows"
            print(
                describe(f"{where}, seed alone", tally(case, old[:, :rows], None, rng)), flush=True
            )
            for title, pool in pools.items():
                found = tally(case, old[:, :rows], pool[:, :rows], rng)
                power = textbook(old[:, :rows], pool[:, :rows], rng)
                print(f"{describe(f'{where}, {title}', found)}, textbook {power:.0%}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or [name for name in CASES if name != "fashion"])
