"""Holds what `prepare` learned of a table: schema.json, which the other stages read."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator
from typing_extensions import TypeAliasType

from src.files import write_text

Task = Literal["classification", "regression"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
# DuckDB's names of the types that a feature can have: they become part of SQL, also from a model
# file, which anybody may have written.
TYPES = {
    "number": r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|BOOLEAN|FLOAT|DOUBLE|DECIMAL\(\d+, ?\d+\)|"
    r"DATE|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?",
    "category": r"VARCHAR|UUID|ENUM\('([^']|'')*'(, ?'([^']|'')*')*\)",
}
Label = bool | int | float | str  # a class, as it stands in the target column
# Lists of which the first wrong item is the only error, however many a model file has.
Labels = TypeAliasType("Labels", Annotated[list[Label], FailFast()])
Categories = TypeAliasType("Categories", Annotated[list[str], FailFast()])


class Format(BaseModel):
    """Says how the text of the raw table is written, one way for all its files.

    `prepare` decides it once, and `predict` reads by it. A table of Parquet files, whose columns
    have types of their own, has the format by which CSV files to predict are read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    delimiter: str = Field(pattern=r"^[^\r\n\x00]$")
    quote: str = Field(pattern=r"^[^\r\n\x00]?$")  # empty: values are never quoted
    encoding: str
    decimal: Literal[".", ","]
    thousands: str = Field(max_length=1)  # empty: digits are not grouped
    units: list[str]  # signs before or after a number, which are passed over
    nulls: list[str]  # what stands for a missing value
    dates: dict[str, str]  # column of times that are text: strptime's format, or ISO

    @model_validator(mode="after")
    def is_consistent(self) -> "Format":
        """Refuse an encoding that is none of text, and one sign for two things."""
        if not is_encoding(self.encoding):
            raise ValueError("an encoding of text that Python knows")
        if self.delimiter == self.quote or self.decimal == self.thousands:
            raise ValueError("another sign for each thing")
        return self


class Column(BaseModel):
    """Describes a feature: a `number`, or a `category` (text of few values).

    Dates are numbers: seconds since 1970.
    """

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    type: str  # DuckDB's name of the type
    kind: Literal["number", "category"]
    missing: int  # rows
    categories: Categories | None = None

    @model_validator(mode="after")
    def is_consistent(self) -> "Column":
        """Refuse a type or categories that do not go with the kind."""
        if not re.fullmatch(TYPES[self.kind], self.type):
            raise ValueError(f"a type of a {self.kind}")
        has_categories = self.categories is not None
        if has_categories != (self.kind == "category"):
            raise ValueError("categories for a category, and for it alone")
        if not are_distinct(self.categories or []):
            raise ValueError("each category once")
        return self


class Rows(BaseModel):
    """Counts rows."""

    model_config = ConfigDict(extra="forbid", strict=True)
    read: int
    without_target: int
    train: int
    val: int
    test: int


class Schema(BaseModel):
    """Describes the prepared tables: `id`, the features in this order, the target."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    task: Task
    target: str
    target_type: str
    id: str | None  # the raw column that `id` came from; none: a hash of the row
    format: Format
    columns: Annotated[list[Column], FailFast()]
    ignored: dict[str, str]  # raw column: why it is no feature
    classes: Labels | None
    rows: Rows

    @model_validator(mode="after")
    def is_consistent(self) -> "Schema":
        """Refuse columns or classes that stand twice, and classes that do not go with the task."""
        names = [column.name for column in self.columns]
        if not are_distinct([*names, self.target]):
            raise ValueError("each column once, and the target apart from them")
        has_classes = self.classes is not None
        if has_classes != (self.task == "classification"):
            raise ValueError("classes for classification, and for it alone")
        if self.classes is not None and not are_labels(self.classes):
            raise ValueError("two classes or more, all of one type, each once")
        return self

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


def is_encoding(name: str) -> bool:
    """Tell whether Python knows an encoding of text by this name."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def are_labels(classes: list[Label]) -> bool:
    """Tell whether these can be the classes of one column."""
    types = set(map(type, classes))
    return len(types) == 1 and len(set(classes)) == len(classes) >= 2


def are_distinct(values: Sequence[object]) -> bool:
    """Tell whether no value stands twice."""
    return len(set(values)) == len(values)
