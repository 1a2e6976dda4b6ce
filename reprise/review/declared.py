"""What an out says of itself to a review: `meta: {reprise: {predictions: …}}` or `{table: …}` in dvc.yaml."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reprise.errors import PipelineError

Column = Annotated[str, Field(min_length=1)]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Metric(_Declared):
    """A mean over rows. column: its value in each row; margin: a difference that is too small to matter."""

    column: Column
    better: Literal["higher", "lower"]
    margin: float | None = Field(None, gt=0, allow_inf_nan=False)


class Predictions(_Declared):
    """A table with a row a test row. The first of `metrics` is the primary one.

    id: the column by which rows of two revisions pair; group: rows of one value are not independent;
    model: deps of the stage that a retraining made anew;
    target, prediction: shown for rows that were fixed or broken; seeds: the stages of its foreach differ in
    nothing but the seed of training.
    """

    id: Column = "id"
    metrics: dict[str, Metric] = Field(min_length=1)
    group: Column | None = None
    target: Column | None = None
    prediction: Column | None = None
    seeds: bool = False
    model: list[Column] = []


class Table(_Declared):
    """A table of data. id: its key column; target: what is predicted; split: the split that all its rows are of."""

    id: Column | None = None
    target: Column | None = None
    split: Literal["train", "val", "test"] | None = None


class Declared(_Declared):
    """`meta.reprise` of an out."""

    predictions: Predictions | None = None
    table: Table | None = None


def declared(where: str, meta: Any) -> Declared:
    """PipelineError when it is wrong; `where` names the file, the stage and the out."""
    given = meta.get("reprise", {}) if isinstance(meta, dict) else {}
    try:
        return Declared.model_validate(given)
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, ("meta", "reprise", *first["loc"])))
        raise PipelineError(
            f"{where}: {key}: found {first['input']!r}; expected {first['msg'].lower()}"
        ) from None
