"""Holds what `prepare` learned of a table: schema.json, which the other stages read."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from src.files import write_text

Task = Literal["classification", "regression"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Label = bool | int | float | str  # a class, as it stands in the target column


class Format(BaseModel):
    """Says how the text of the raw table is written, one way for all its files.

    `prepare` decides it once, and `predict` reads by it. A table of Parquet files, whose columns
    have types of their own, has the format by which CSV files to predict are read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    delimiter: str
    quote: str  # empty: values are never quoted
    encoding: str
    decimal: str
    thousands: str  # empty: digits are not grouped
    units: list[str]  # signs before or after a number, which are passed over
    nulls: list[str]  # what stands for a missing value
    dates: dict[str, str]  # column of times that are text: strptime's format, or ISO


class Column(BaseModel):
    """Describes a feature: a `number`, or a `category` (text of few values).

    Dates are numbers: seconds since 1970.
    """

    model_config = ConfigDict(extra="forbid")
    name: str
    type: str  # DuckDB's name of the type
    kind: Literal["number", "category"]
    missing: int  # rows
    categories: list[str] | None = None


class Rows(BaseModel):
    """Counts rows."""

    model_config = ConfigDict(extra="forbid")
    read: int
    without_target: int
    train: int
    val: int
    test: int


class Schema(BaseModel):
    """Describes the prepared tables: `id`, the features in this order, the target."""

    model_config = ConfigDict(extra="forbid", strict=True)
    task: Task
    target: str
    target_type: str
    id: str | None  # the raw column that `id` came from; none: a hash of the row
    format: Format
    columns: list[Column]
    ignored: dict[str, str]  # raw column: why it is no feature
    classes: list[Label] | None
    rows: Rows

    @property
    def numbers(self) -> list[str]:
        """List the features that are numbers, in order."""
        return [column.name for column in self.columns if column.kind == "number"]

    def write(self, folder: Path) -> None:
        """Write schema.json."""
        write_text(folder / "schema.json", self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Schema":
        """Read schema.json."""
        return cls.model_validate_json((folder / "schema.json").read_bytes())
