"""Holds all that a reviewer is shown of two revisions, as data: `asdict` of it is the JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reprise.errors import PipelineError
from reprise.review.baselines import Baseline
from reprise.review.change_state import ChangeState
from reprise.review.curves import Curve, CurveSet
from reprise.review.data.changes import DataChange
from reprise.review.data.moved_ids import MovedIds
from reprise.review.model_sizes import ModelSize
from reprise.review.predictions import ComparedPredictions
from reprise.review.staleness import Staleness
from reprise.review.stats.results import Comparison, MetricComparison, Verdict


@dataclass(frozen=True)
class Commit:
    """Holds who made a commit, and when. date: its author's day; page: on its forge, if known."""

    hash: str
    author: str
    date: str
    page: str | None


@dataclass(frozen=True)
class RevisionLabel:
    """Names a revision.

    name: as the user gave it; commit: its hash, None for the working tree; head: that commit, or
    the one that the working tree stands on, None before the first one.
    """

    name: str
    commit: str | None
    head: Commit | None = None


@dataclass(frozen=True)
class ValueChange:
    """Holds a key of a metrics or params file. old, new: None on a side that does not have it."""

    file: str
    key: str
    kind: ChangeState
    old: Any
    new: Any


@dataclass(frozen=True)
class StageChange:
    """Holds a stage that is new, gone, or has run anew, by dvc.lock.

    why: what it ran with that was not so before; seconds: of the very run that the new side
    recorded, None where that is not known here.
    """

    name: str
    kind: ChangeState
    why: list[str]
    seconds: float | None = None


@dataclass(frozen=True)
class Report:
    """Holds everything that changed between two revisions.

    compared: predictions compared row by row, the primary ones first; metrics: unchanged ones too;
    notes: what a reader should know about what is not here; first: the name of the first
    predictions in dvc.yaml, whether or not they could be compared; baselines: of their primary
    metric; stale: why the working tree's numbers may not belong together; curve_sets: plots of
    several lines; project: its name on its forge, or else its folder's; models: their sizes.
    """

    old: RevisionLabel
    new: RevisionLabel
    compared: list[ComparedPredictions]
    metrics: list[ValueChange]
    params: list[ValueChange]
    stages: list[StageChange]
    data: list[DataChange]
    moved: list[MovedIds]
    curves: list[Curve]
    notes: list[str] = field(default_factory=list)
    first: str | None = None
    baselines: list[Baseline] = field(default_factory=list)
    stale: Staleness | None = None
    curve_sets: list[CurveSet] = field(default_factory=list)
    project: str | None = None
    models: list[ModelSize] = field(default_factory=list)

    @property
    def comparison(self) -> Comparison | None:
        """Return the comparison of the first predictions in dvc.yaml.

        None if they could not be compared, whatever others say.
        """
        for predictions in self.compared:
            if predictions.name == self.judged:
                return predictions.comparison
        return None

    @property
    def judged(self) -> str | None:
        """Return the name of the predictions that the headline is about, compared or not."""
        if self.first is None and self.compared:
            return self.compared[0].name
        return self.first

    @property
    def primary(self) -> MetricComparison | None:
        """Return the metric that decides `--fail-on` and the headline.

        It is that of the first predictions in dvc.yaml.
        """
        comparison = self.comparison
        if comparison is None:
            return None
        return comparison.primary

    def verdicts(self, names: Sequence[str]) -> list[Verdict | None]:
        """Return the verdicts of the named metrics, or without names that of the primary one.

        Raises PipelineError for a name that no compared metric has.
        """
        if not names:
            primary = self.primary
            if primary is None:
                return []
            return [primary.verdict]
        metrics = self.verdicts_by_name()
        for name in names:
            if metrics and name not in metrics:
                expected = ", ".join(metrics)
                raise PipelineError(f"--metric: found {name!r}; expected one of {expected}")
        return [metrics.get(name) for name in names]

    def verdicts_by_name(self) -> dict[str, Verdict | None]:
        """Return the verdict of each compared metric; of two with one name, that of the first."""
        verdicts = {}
        for compared in reversed(self.compared):
            for metric in compared.comparison.metrics:
                verdicts[metric.name] = metric.verdict
        return verdicts


def values_equal(old: Any, new: Any) -> bool:
    """Compare two values; NaN equals NaN."""
    both_nan = old != old and new != new
    return bool(old == new or both_nan)


def to_json(report: Report) -> str:
    """Return the report as JSON. NaN and infinity become null, dates text."""
    plain = _without_nan(asdict(report))
    text = json.dumps(plain, indent=2, ensure_ascii=False, default=str, allow_nan=False)
    return f"{text}\n"


def _without_nan(value: Any) -> Any:
    """Return the value in JSON's terms: text as keys, None for NaN and infinity."""
    match value:
        case dict():
            return {str(key): _without_nan(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_nan(item) for item in value]
        case float():
            if not math.isfinite(value):
                return None
    return value
