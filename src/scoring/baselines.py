"""Predicts the test rows as simply as can be: what a model has to beat to be worth its name."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits
from torch import Tensor

from src.encoder import ONE_HOT, Encoder, numbers
from src.schema import Schema

Array = np.ndarray
# A linear baseline is fitted on all training rows, or on as many as keep it to 20 s and 100 MB:
MOST_VALUES = 10_000_000  # rows x features
MOST_PRODUCTS = 20_000_000  # rows x features x classes
BATCH = 65_536  # rows at a time


def class_counts(train: Path, schema: Schema) -> Array:
    """Count the training rows of each class of the model [classes]."""
    assert schema.classes is not None
    column = pq.read_table(train, columns=[schema.target]).column(schema.target)
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}
    return np.array([counts.get(label, 0) for label in schema.classes])


def classifiers(
    encoder: Encoder, train: Path, counts: Array, test: Tensor
) -> dict[str, tuple[Array, Array]]:
    """Predict the class of encoded test rows: indices [rows] and probabilities [rows, classes].

    `majority` predicts the most frequent class, with the classes' shares of the training rows,
    `logistic` is scikit-learn's logistic regression, where there is something to learn.
    """
    rows, classes = len(test), len(counts)
    shares = np.broadcast_to(counts / max(counts.sum(), 1), (rows, classes))
    predictions = {"majority": (np.full(rows, counts.argmax()), shares)}
    table = sample(train, encoder)
    y = encoder.targets(table).numpy()
    if encoder.width == 0 or len(np.unique(y)) < 2:
        return predictions
    # This solver ends so near the optimum that the instructions of the CPU don't show.
    logistic = LogisticRegression(solver="newton-cg", tol=1e-8, max_iter=50)
    model = linear(encoder, logistic)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(encoder.features(table).double().numpy(), y)
        known = in_batches(model.predict_proba, test)
    probability = np.zeros((rows, classes))
    probability[:, logistic.classes_] = known
    predictions["logistic"] = (probability.argmax(axis=1), probability)
    return predictions


def regressors(encoder: Encoder, train: Path, test: Tensor) -> dict[str, Array]:
    """Predict the target of encoded test rows, in its own unit [rows].

    `mean` predicts the mean of the training rows, `ridge` is scikit-learn's ridge regression.
    """
    target = encoder.schema.target
    mean = numbers(pq.read_table(train, columns=[target]).column(target)).mean()
    predictions = {"mean": np.full(len(test), mean)}
    if encoder.width == 0:
        return predictions
    table = sample(train, encoder)
    with threadpool_limits(1):
        model = linear(encoder, Ridge(solver="cholesky"))
        model.fit(encoder.features(table).double().numpy(), numbers(table.column(target)))
        predictions["ridge"] = in_batches(model.predict, test)
    return predictions


def linear(encoder: Encoder, model: BaseEstimator) -> BaseEstimator:
    """Have a linear model read numbers of categories as one-hot: the most frequent, and the rest.

    Other features are as they are encoded.
    """
    if not encoder.embedded:
        return model
    frequent = OneHotEncoder(
        max_categories=ONE_HOT + 1, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    columns = slice(encoder.width - len(encoder.embedded), None)
    return make_pipeline(
        make_column_transformer((frequent, columns), remainder="passthrough"), model
    )


def sample(train: Path, encoder: Encoder) -> pa.Table:
    """Read the training rows that a linear baseline is fitted on, without classes of no model.

    Where they are too many, the same ones are drawn each time.
    """
    file = pq.ParquetFile(train)
    rows = file.metadata.num_rows
    width = max(encoder.width + ONE_HOT * len(encoder.embedded), 1)
    most = min(MOST_VALUES // width, MOST_PRODUCTS // (width * encoder.outputs))
    drawn = np.arange(rows)
    if rows > most:
        drawn = np.sort(np.random.default_rng(0).choice(rows, max(most, 1), replace=False))
    batches, start = [], 0
    for batch in file.iter_batches(BATCH):
        own = drawn[np.searchsorted(drawn, start) : np.searchsorted(drawn, start + len(batch))]
        batches.append(batch.take(pa.array(own - start)))
        start += len(batch)
    table = pa.Table.from_batches(batches, file.schema_arrow)
    if encoder.schema.classes is None:
        return table
    target = table.column(encoder.schema.target)
    return table.filter(pc.is_in(target, pa.array(encoder.schema.classes, target.type)))


def in_batches(predict: Callable[[Array], Array], x: Tensor) -> Array:
    """Predict encoded rows some at a time, for the float64 copies that it takes."""
    return np.concatenate([predict(batch.double().numpy()) for batch in torch.split(x, BATCH)])
