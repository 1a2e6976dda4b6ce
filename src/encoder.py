"""Turns table columns into tensors by what was seen in the training rows, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from src.schema import Column, Label, Schema

FAR = 1e6  # deviations; beyond, float32 sums of the network would overflow
Scale = Literal["column", "table"]


@dataclass(frozen=True)
class Encoder:
    """Standardised numbers, then one-hot categories; missing or unseen values encode as zeros.

    A missing number so takes the mean that it is standardised by.  mean, std: float32 [numbers]; target_mean,
    target_std: float32 [1], 0 and 1 for classification.
    """

    schema: Schema
    mean: Tensor
    std: Tensor
    target_mean: Tensor
    target_std: Tensor

    @classmethod
    def fit(cls, schema: Schema, train: pa.Table, scale: Scale) -> "Encoder":
        """Means and deviations of the training rows, each column's own or one for all of the table."""
        numbers = _numbers(train, schema.numbers)
        seen = np.isfinite(numbers)
        over = (0, 1) if scale == "table" else 0
        count = np.maximum(seen.sum(axis=over, keepdims=True), 1)
        mean = np.where(seen, numbers, 0.0).sum(axis=over, keepdims=True) / count
        squares = np.where(seen, numbers - mean, 0.0) ** 2
        std = np.sqrt(squares.sum(axis=over, keepdims=True) / count)
        target = np.zeros(1)
        if schema.task == "regression":
            target = _number(train.column(schema.target))
        return cls(
            schema=schema.model_copy(update={"columns": [_seen(c, train) for c in schema.columns]}),
            mean=_float32(np.broadcast_to(mean, (1, numbers.shape[1]))[0]),
            std=_float32(np.broadcast_to(_positive(std, mean), (1, numbers.shape[1]))[0]),
            target_mean=_float32(target.mean(keepdims=True)),
            target_std=_float32(_positive(target.std(keepdims=True), target.mean(keepdims=True))),
        )

    @property
    def width(self) -> int:
        """Number of encoded features."""
        return len(self.schema.numbers) + sum(len(c.categories or []) for c in self.schema.columns)

    @property
    def outputs(self) -> int:
        """Number of model outputs: one a class, or one for regression."""
        return len(self.schema.classes) if self.schema.classes else 1

    def features(self, table: pa.Table) -> Tensor:
        """Features as float32 [rows, width]."""
        encoded = torch.zeros(table.num_rows, self.width)
        numbers = self.schema.numbers
        for i, name in enumerate(numbers):
            values = torch.from_numpy(
                _number(table.column(name))
            )  # float64: times need all their digits
            scaled = (values - self.mean[i].double()) / self.std[i].double()
            encoded[:, i] = torch.nan_to_num(scaled, nan=0.0).clamp(-FAR, FAR)
        start = len(numbers)
        for column in self.schema.columns:
            if column.categories:
                codes = pc.index_in(
                    table.column(column.name), pa.array(column.categories, pa.string())
                )
                rows, code = _present(codes)
                encoded[rows, start + code] = 1.0
                start += len(column.categories)
        return encoded

    def targets(self, table: pa.Table) -> Tensor:
        """Class indices as int64 [rows]; for regression the standardised target as float32 [rows, 1]."""
        column = table.column(self.schema.target)
        if self.schema.classes is not None:
            index = {label: i for i, label in enumerate(self.schema.classes)}
            return torch.tensor([index[label] for label in column.to_pylist()], dtype=torch.int64)
        raw = torch.from_numpy(_number(column).astype(np.float32))
        return ((raw - self.target_mean) / self.target_std).unsqueeze(1)

    def tensors(self) -> dict[str, Tensor]:
        """What the model file keeps beside the weights."""
        return {
            "encoder.mean": self.mean,
            "encoder.std": self.std,
            "encoder.target_mean": self.target_mean,
            "encoder.target_std": self.target_std,
        }

    @classmethod
    def of(cls, schema: Schema, tensors: Mapping[str, Tensor]) -> "Encoder":
        """The inverse of `tensors`."""
        return cls(
            schema, *(tensors[f"encoder.{n}"] for n in ("mean", "std", "target_mean", "target_std"))
        )

    def labels(self, index: Tensor) -> list[Label]:
        """Classes by index, [rows]."""
        assert self.schema.classes is not None
        return [self.schema.classes[i] for i in index.tolist()]


def _seen(column: Column, train: pa.Table) -> Column:
    """A category column keeps the values that the training rows have."""
    if column.categories is None:
        return column
    seen = set(pc.unique(train.column(column.name)).to_pylist())
    return column.model_copy(update={"categories": [c for c in column.categories if c in seen]})


def _number(column: pa.ChunkedArray) -> np.ndarray:
    """A number column as float64 [rows], NaN where missing."""
    return np.array(
        column.cast(pa.float64()).to_numpy(), dtype=np.float64
    )  # a copy: Arrow's is read-only


def _numbers(table: pa.Table, names: list[str]) -> np.ndarray:
    """Number columns as float64 [rows, numbers]."""
    if not names:
        return np.zeros((table.num_rows, 0))
    return np.stack([_number(table.column(n)) for n in names], axis=1)


def _present(codes: pa.ChunkedArray) -> tuple[Tensor, Tensor]:
    """Rows whose code is not missing, and their codes."""
    values = torch.from_numpy(codes.fill_null(-1).to_numpy().astype(np.int64))
    rows = torch.nonzero(values >= 0).squeeze(1)
    return rows, values[rows]


def _positive(std: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """A constant column's deviation is 0, or rounding noise beside its mean; 1 leaves it at zero."""
    return np.where(std > 1e-9 * np.abs(mean), std, 1.0)


def _float32(values: np.ndarray) -> Tensor:
    """Rounding to float32 hides the last bits, in which the order of a sum may differ."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
