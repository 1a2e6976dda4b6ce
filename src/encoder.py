"""Turns table columns into tensors by what was seen in the training rows, and back."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from src.errors import InputError, one_of, shown
from src.schema import Column, Label, Schema

FAR = 1e6  # deviations; beyond, float32 sums of the network would overflow
ONE_HOT = 32  # categories; a column of more is a number of the category, for the model to embed
Scale = Literal["column", "table", "robust"]


class Source(Protocol):
    """Reads columns of a table that need not fit into memory."""

    def read(self, names: list[str], /) -> Iterable[pa.Table]:
        """Read these columns, some rows at a time."""


@dataclass(frozen=True)
class Encoder:
    """Scales numbers, and makes categories one-hot; missing or unseen values become zeros.

    A missing number so takes the mean, or the median, that is subtracted. Of a column of more than
    ONE_HOT categories, a value becomes the number of its category, from 1.  embeds: the names of
    these columns; mean, std: float32 [numbers]; smallest, largest: of the training rows, float64
    [numbers]; target_mean, target_std: float32 [1], 0 and 1 for classification; bent: whether
    scaled numbers are bent, so that far ones come nearer.
    """

    schema: Schema
    mean: Tensor
    std: Tensor
    smallest: Tensor
    largest: Tensor
    target_mean: Tensor
    target_std: Tensor
    bent: bool = False
    embeds: tuple[str, ...] = ()

    @classmethod
    def fit(cls, schema: Schema, train: pa.Table | Source, scale: Scale) -> "Encoder":
        """Compute means and deviations of the training rows, and the categories that they have.

        scale: whether each column has its own mean and deviation, or the table one for all, or each
        column its median and quartiles.
        """
        names, count = schema.numbers, len(schema.numbers)
        # Columns of one group have one mean and deviation.
        groups = np.zeros(count, np.int64) if scale == "table" else np.arange(count)
        if schema.task == "regression":
            names = [*names, schema.target]
            groups = np.append(groups, count)
        seen = summarize(train, names)
        mean, std = moments(train, seen, groups)
        if scale == "robust":
            mean[:count], std[:count] = quartiles(train, schema.numbers)
        std = positive(std, mean)
        target_mean, target_std = np.zeros(1), np.ones(1)
        if schema.task == "regression":
            target_mean, target_std = mean[count:], std[count:]
        columns = [with_seen_categories(column, train) for column in schema.columns]
        schema = schema.model_copy(update={"columns": columns})
        return cls(
            schema=schema,
            mean=float32(mean[:count]),
            std=float32(std[:count]),
            smallest=torch.from_numpy(np.nan_to_num(seen.smallest[:count])),
            largest=torch.from_numpy(np.nan_to_num(seen.largest[:count])),
            target_mean=float32(target_mean),
            target_std=float32(target_std),
            bent=scale == "robust",
            embeds=to_embed(schema),
        )

    @property
    def width(self) -> int:
        """Count the encoded features."""
        return encoded_width(self.schema, self.embeds)

    @property
    def embedded(self) -> list[int]:
        """Count the categories of the columns that are for the model to embed: the last features.

        A column's values are 0, for none of them, to its count.
        """
        counts = []
        for column in self.schema.columns:
            if column.name in self.embeds:
                counts.append(len(column.categories or []))
        return counts

    @property
    def outputs(self) -> int:
        """Count the model's outputs: one a class, or one for regression."""
        return len(self.schema.classes) if self.schema.classes else 1

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Give the smallest and the largest number of the training rows, by column."""
        ends = zip(self.smallest.tolist(), self.largest.tolist(), strict=True)
        return dict(zip(self.schema.numbers, ends, strict=True))

    def features(self, table: pa.Table) -> Tensor:
        """Encode the features as float32 [rows, width]."""
        encoded = torch.zeros(table.num_rows, self.width)
        for i, name in enumerate(self.schema.numbers):
            values = torch.from_numpy(numbers(table.column(name)))
            # In float64: times need all their digits.
            scaled = (values - self.mean[i].double()) / self.std[i].double()
            encoded[:, i] = self.bounded(torch.nan_to_num(scaled, nan=0.0))
        start, last = len(self.schema.numbers), self.width - len(self.embedded)
        for column in self.schema.columns:
            if not column.categories:
                continue
            rows, codes = present(table.column(column.name), column.categories)
            if column.name in self.embeds:
                encoded[rows, last] = 1.0 + codes
                last += 1
            else:
                encoded[rows, start + codes] = 1.0
                start += len(column.categories)
        return encoded

    def bounded(self, scaled: Tensor) -> Tensor:
        """Hold scaled numbers, float64, within what the network can take, in place."""
        scaled = scaled.clamp_(-FAR, FAR)
        return scaled.asinh() if self.bent else scaled  # near 0 as it was, then its logarithm

    @property
    def keeps_bytes(self) -> bool:
        """Tell whether all features are bytes, none missing, such as the pixels of images."""
        columns = self.schema.columns
        return all(column.type == "UTINYINT" and column.missing == 0 for column in columns)

    def kept(self, table: pa.Table) -> Tensor:
        """Encode the features as training keeps them: bytes as they are, [rows, width]."""
        if not self.keeps_bytes:
            return self.features(table)
        encoded = torch.empty(table.num_rows, self.width, dtype=torch.uint8)
        for i, name in enumerate(self.schema.numbers):
            encoded[:, i] = torch.from_numpy(table.column(name).to_numpy().astype(np.uint8))
        return encoded

    def scaled(self, kept: Tensor) -> Tensor:
        """Turn what `kept` gives into what `features` gives, to the bit."""
        if not self.keeps_bytes:
            return kept
        mean, std = self.mean.to(kept.device).double(), self.std.to(kept.device).double()
        return self.bounded((kept - mean).div_(std)).float()

    def targets(self, table: pa.Table) -> Tensor:
        """Encode the target: class indices as int64 [rows].

        For regression: the standardised target as float32 [rows, 1]. Raises InputError for a class
        that the model does not know.
        """
        column = table.column(self.schema.target)
        if self.schema.classes is not None:
            index = {label: i for i, label in enumerate(self.schema.classes)}
            labels = column.to_pylist()
            for label in set(labels) - index.keys():
                expected = f"a class of the model: {one_of(map(str, index), str(label))}"
                raise InputError(f"column {self.schema.target!r}", shown(label), expected)
            return torch.tensor([index[label] for label in labels], dtype=torch.int64)
        raw = torch.from_numpy(numbers(column).astype(np.float32))
        return ((raw - self.target_mean) / self.target_std).unsqueeze(1)

    def tensors(self) -> dict[str, Tensor]:
        """Name the tensors that the model file keeps beside the weights."""
        return {
            "encoder.mean": self.mean,
            "encoder.std": self.std,
            "encoder.smallest": self.smallest,
            "encoder.largest": self.largest,
            "encoder.target_mean": self.target_mean,
            "encoder.target_std": self.target_std,
        }

    @staticmethod
    def layout(schema: Schema) -> dict[str, Tensor]:
        """Name the tensors of an encoder of this schema: shapes and types, without memory."""
        count = len(schema.numbers)
        sizes = {"mean": count, "std": count, "target_mean": 1, "target_std": 1}
        layout = {f"encoder.{name}": torch.empty(n, device="meta") for name, n in sizes.items()}
        for name in ("encoder.smallest", "encoder.largest"):
            layout[name] = torch.empty(count, dtype=torch.float64, device="meta")
        return layout

    @classmethod
    def of(
        cls, schema: Schema, tensors: Mapping[str, Tensor], bent: bool, embeds: tuple[str, ...]
    ) -> "Encoder":
        """Build the encoder that gave these `tensors`."""
        return cls(
            schema,
            mean=tensors["encoder.mean"],
            std=tensors["encoder.std"],
            smallest=tensors["encoder.smallest"],
            largest=tensors["encoder.largest"],
            target_mean=tensors["encoder.target_mean"],
            target_std=tensors["encoder.target_std"],
            bent=bent,
            embeds=embeds,
        )

    def labels(self, index: Tensor) -> list[Label]:
        """Turn class indices [rows] into classes."""
        assert self.schema.classes is not None
        return [self.schema.classes[i] for i in index.tolist()]


def encoded_width(schema: Schema, embeds: Collection[str] | None = None) -> int:
    """Count the encoded features: one a number, one a category of a column, or one for all.

    embeds: names of the columns that have one for all; None: those of too many categories.
    """
    if embeds is None:
        embeds = to_embed(schema)
    width = len(schema.numbers)
    for column in schema.columns:
        width += 1 if column.name in embeds else len(column.categories or [])
    return width


def to_embed(schema: Schema) -> tuple[str, ...]:
    """Name the columns whose categories are too many to be one-hot."""
    columns = [column for column in schema.columns if len(column.categories or []) > ONE_HOT]
    return tuple(column.name for column in columns)


def some_rows(table: pa.Table | Source, names: list[str]) -> Iterable[pa.Table]:
    """Read columns of a table: of one in memory all rows at once."""
    if isinstance(table, pa.Table):
        return [table.select(names)]
    return table.read(names)


class Summary(NamedTuple):
    """Holds what number columns add up to, float64 [columns], missing values (NaN) left out.

    values: how many there are; smallest, largest: NaN for a column without a value.
    """

    names: list[str]
    values: np.ndarray
    total: np.ndarray
    smallest: np.ndarray
    largest: np.ndarray


def summarize(table: pa.Table | Source, names: list[str]) -> Summary:
    """Count and add up the values of number columns, and find their ends."""
    count, total = np.zeros(len(names)), np.zeros(len(names))
    smallest, largest = np.full(len(names), np.nan), np.full(len(names), np.nan)
    for rows in some_rows(table, names):
        for i, name in enumerate(names):
            values = numbers(rows.column(name))
            smallest[i] = np.fmin.reduce(values, initial=smallest[i])
            largest[i] = np.fmax.reduce(values, initial=largest[i])
            values = values[np.isfinite(values)]
            count[i] += len(values)
            total[i] += values.sum()
    return Summary(names, count, total, smallest, largest)


def moments(
    table: pa.Table | Source, seen: Summary, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and standard deviation of columns: [columns], [columns].

    groups: a number a column; those of one number have one mean and deviation, of all their values.
    The deviation takes a pass of its own: the mean of the squares, less the square of the mean,
    would have no digits left where the mean is large, as of times.
    """
    count = np.maximum(np.bincount(groups, seen.values), 1)[groups]
    mean = np.bincount(groups, seen.total)[groups] / count
    squares = np.zeros(len(seen.names))
    for rows in some_rows(table, seen.names):
        for i, name in enumerate(seen.names):
            values = finite(rows.column(name))
            squares[i] += ((values - mean[i]) ** 2).sum()
    return mean, np.sqrt(np.bincount(groups, squares)[groups] / count)


def quartiles(table: pa.Table | Source, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Compute each column's median, and the distance of its quartiles, missing values left out.

    → [columns], [columns]; a column is read whole. So scales RealMLP (Holzmüller et al. 2024, 3.1);
    but where the quartiles are one value, as of counts that are mostly 0, the distance is that of
    the other values from the median, by their own median: half the range is that of the outliers.
    """
    medians, spreads = np.zeros(len(names)), np.zeros(len(names))
    for i, name in enumerate(names):
        parts = [finite(rows.column(name)) for rows in some_rows(table, [name])]
        values = np.concatenate(parts)
        if len(values):
            low, medians[i], high = np.quantile(values, [0.25, 0.5, 0.75])
            spreads[i] = high - low
        if spreads[i] == 0:
            distances = np.abs(values - medians[i])
            others = distances[distances > 0]
            spreads[i] = np.median(others) if len(others) else 0.0
    return medians, spreads


def with_seen_categories(column: Column, train: pa.Table | Source) -> Column:
    """Keep of a column's categories those that the training rows have."""
    if column.categories is None:
        return column
    seen: set[str | None] = set()
    for rows in some_rows(train, [column.name]):
        seen.update(pc.unique(rows.column(column.name)).to_pylist())
    return column.model_copy(update={"categories": [c for c in column.categories if c in seen]})


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Read a number column as float64 [rows], NaN where missing."""
    values = column.cast(pa.float64()).to_numpy()
    return np.array(values, dtype=np.float64)  # a copy: Arrow's is read-only


def finite(column: pa.ChunkedArray) -> np.ndarray:
    """Read the values of a number column that are neither missing nor infinite, float64."""
    values = numbers(column)
    found: np.ndarray = values[np.isfinite(values)]
    return found


def present(column: pa.ChunkedArray, categories: list[str]) -> tuple[Tensor, Tensor]:
    """Find the rows whose value is one of the categories, and the index of each in them."""
    found = pc.index_in(column, pa.array(categories, pa.string()))
    codes = torch.from_numpy(found.fill_null(-1).to_numpy().astype(np.int64))
    rows = torch.nonzero(codes >= 0).squeeze(1)
    return rows, codes[rows]


def positive(std: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Replace the deviation of a constant column by 1, which leaves the column at zero.

    It is 0, or rounding noise beside the mean.
    """
    return np.where(std > 1e-9 * np.abs(mean), std, 1.0)


def float32(values: np.ndarray) -> Tensor:
    """Round to float32, which hides the last bits: in them the order of a sum may differ."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
