"""Compares the primary metric with the baselines of it that the metrics files hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reprise.dvc.history.revision import Revision
from reprise.review.declared import Direction, PredictionsSpec
from reprise.text.values import is_number


@dataclass(frozen=True)
class Baseline:
    """Holds the new side's value of a metric beside that of a baseline, in the metric's unit.

    name: where the baseline's metrics stand, such as `baseline.mean`.
    """

    metric: str
    value: float
    name: str
    baseline: float
    beaten: bool


def find_baselines(revision: Revision, spec: PredictionsSpec, notes: list[str]) -> list[Baseline]:
    """Compare the primary metric with each baseline of it that has a number.

    notes: it is added that no metrics file has one, where baselines are declared.
    """
    if spec.baselines is None:
        return []
    metric, declared = next(iter(spec.ordered_metrics.items()))
    pairs = list(_pairs(revision, spec.baselines, metric))
    if not pairs:
        notes.append(f"no metrics file has {metric} and {spec.baselines}.*.{metric}, its baseline")
    found = []
    for name, value, baseline in pairs:
        beaten = value < baseline
        if declared.better is Direction.HIGHER:
            beaten = value > baseline
        found.append(Baseline(metric, value, name, baseline, beaten))
    return found


def _pairs(revision: Revision, section: str, metric: str) -> Iterator[tuple[str, float, float]]:
    """Yield the name of each baseline of the metric, the metric's value, and the baseline's."""
    pattern = re.compile(rf"({re.escape(section)}\..+)\.{re.escape(metric)}")
    for values in revision.metrics.values():
        value = values.get(metric)
        for key, baseline in values.items():
            name = pattern.fullmatch(key)
            if name is not None and is_number(value) and is_number(baseline):
                yield name[1], value, baseline
