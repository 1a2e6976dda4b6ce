"""Reads what dvc.yaml declares of an out, for reviews.

That is `meta: {reprise: {predictions: …}}` or `meta: {reprise: {table: …}}`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from reprise.described import DescribedEnum
from reprise.errors import PipelineError

Column = Annotated[str, Field(min_length=1)]


class Direction(DescribedEnum):
    """Says which values of a metric are better."""

    HIGHER = "higher", "the model with the higher mean is better, as with accuracy"
    LOWER = "lower", "the model with the lower mean is better, as with a loss"


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MetricSpec(_Spec):
    """Declares a metric that is a mean over rows.

    column: holds its value in each row; margin: a difference that is too small to matter, in the
    column's unit; same_rows: a row's value depends on the other rows of its table, so that only
    tables of the same rows can be compared.
    """

    column: Column
    better: Direction = Field(strict=False)  # text in YAML
    margin: float | None = Field(None, gt=0, allow_inf_nan=False)
    same_rows: bool = False


class CalibrationSpec(_Spec):
    """Declares that the calibration error is judged.

    confidence: the column of the probability that the model gave its prediction; `probability_*` is
    the largest of the columns that begin so; bins: of equal width; margin: a difference that is too
    small to matter.
    """

    confidence: Column
    bins: int = Field(10, ge=1, le=1000)
    margin: float | None = Field(None, gt=0, allow_inf_nan=False)


class PredictionsSpec(_Spec):
    """Declares a table with one row for each test row.

    primary: the metric that decides, the first one if None; baselines: the section of the metrics
    files that holds `<section>.<name>.<metric>`, what a metric has to beat; id: the column by which
    rows of two revisions pair; group: a column, rows with one value of it are not independent;
    target, prediction: columns shown for rows that were fixed or broken, and if they are classes,
    compared class by class; slices: columns by whose values the rows are compared apart; model:
    the deps of the stage that hold the model; calibration: judges the calibration error of
    classes, for which target and prediction are needed; seeds: the stages of its foreach differ in
    nothing but the seed of training.
    """

    id: Column = "id"
    metrics: dict[str, MetricSpec] = Field(min_length=1)
    primary: Column | None = None
    baselines: Column | None = None
    group: Column | None = None
    target: Column | None = None
    prediction: Column | None = None
    slices: list[Column] = []
    seeds: bool = False
    model: list[Column] = []
    calibration: CalibrationSpec | None = None

    @field_validator("primary")
    @classmethod
    def _check_primary(cls, primary: str | None, info: ValidationInfo) -> str | None:
        metrics = info.data.get("metrics", {})
        if primary is not None and metrics and primary not in metrics:
            raise ValueError(f"one of its metrics: {', '.join(metrics)}")
        return primary

    @property
    def metric_columns(self) -> set[str]:
        """Return the columns of the metrics."""
        return {metric.column for metric in self.metrics.values()}

    @property
    def ordered_metrics(self) -> dict[str, MetricSpec]:
        """Return the metrics by name, the primary one first."""
        if self.primary is None:
            return self.metrics
        return {self.primary: self.metrics[self.primary], **self.metrics}

    @property
    def first_mean(self) -> tuple[str, MetricSpec] | None:
        """Return the first metric in order that is a mean over any rows; None without one."""
        for name, metric in self.ordered_metrics.items():
            if not metric.same_rows:
                return name, metric
        return None


class TableSpec(_Spec):
    """Declares a table of data.

    id: its key column; target: the column that is predicted; split: the split of all its rows.
    """

    id: Column | None = None
    target: Column | None = None
    split: Literal["train", "val", "test"] | None = None

    @property
    def is_of_test_rows(self) -> bool:
        """Tell whether it has the test rows, and says by which column they are known."""
        return self.split == "test" and self.id is not None


class OutSpec(_Spec):
    """Declares what an out is: the value of its `meta.reprise`."""

    predictions: PredictionsSpec | None = None
    table: TableSpec | None = None


def parse_meta(where: str, meta: Any) -> OutSpec:
    """Return what an out's `meta` declares; an empty OutSpec when it says nothing for reprise.

    where: the file, the stage and the out, for errors. Raises PipelineError for a wrong
    declaration.
    """
    declaration = {}
    if isinstance(meta, dict):
        declaration = meta.get("reprise", {})
    try:
        return OutSpec.model_validate(declaration)
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, ("meta", "reprise", *first["loc"])))
        expected = first["msg"].removeprefix("Value error, ")
        expected = expected[0].lower() + expected[1:]
        raise PipelineError(
            f"{where}: {key}: found {first['input']!r}; expected {expected}"
        ) from None
