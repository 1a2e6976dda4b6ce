"""Counts which class was predicted as which, old beside new."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

SHOWN = 20  # classes; the others are counted as one
MOST_CLASSES = 1000  # more are numbers or keys

Counts = Counter[tuple[str, str]]  # rows by their class and the predicted one


@dataclass(frozen=True)
class Confusion:
    """Counts paired rows by their class and the predicted one.

    classes: those with the most errors, and the rest as one, if they are many; old, new: rows,
    [class][predicted class].
    """

    classes: list[str]
    old: list[list[int]]
    new: list[list[int]]


def count_confusion(
    targets: pa.ChunkedArray, old: pa.ChunkedArray, new: pa.ChunkedArray
) -> Confusion | None:
    """Count both sides' predictions of the same rows. None where these are no classes."""
    if not all(map(_is_of_classes, (targets, old, new))):
        return None
    before, after = _counts(targets, old), _counts(targets, new)
    names = {*chain.from_iterable([*before, *after])}
    if not names:
        return None
    classes = _in_order(names)
    if len(classes) > SHOWN:
        classes = _in_order(_most_confused(names, before + after))
        rest = f"{len(names) - len(classes)} others"
        before, after = (_merged(counts, {*classes}, rest) for counts in (before, after))
        classes.append(rest)
    return Confusion(classes, _matrix(before, classes), _matrix(after, classes))


def _is_of_classes(column: pa.ChunkedArray) -> bool:
    distinct: int = pc.count_distinct(column.cast(pa.string())).as_py()
    return distinct <= MOST_CLASSES and not pa.types.is_floating(column.type)


def _counts(targets: pa.ChunkedArray, predictions: pa.ChunkedArray) -> Counts:
    """Count the rows of each pair; those without a class or a prediction are left out."""
    columns = {"target": targets.cast(pa.string()), "prediction": predictions.cast(pa.string())}
    grouped = pa.table(columns).drop_null().group_by([*columns]).aggregate([([], "count_all")])
    targets_, predictions_, counts = (column.to_pylist() for column in grouped.columns)
    return Counter(dict(zip(zip(targets_, predictions_, strict=True), counts, strict=True)))


def _in_order(names: Iterable[str]) -> list[str]:
    """Sort names: whole numbers by their size, others as text behind them."""

    numbers = {*filter(str.isdecimal, names)}
    return [*sorted(numbers, key=int), *sorted({*names} - numbers)]


def _most_confused(names: Iterable[str], counts: Counts) -> list[str]:
    """Return the classes that were mistaken most often, or others for them."""
    errors = dict.fromkeys(_in_order(names), 0)
    for (target, prediction), count in counts.items():
        if target != prediction:
            errors[target] += count
            errors[prediction] += count
    return sorted(errors, key=errors.__getitem__, reverse=True)[:SHOWN]


def _merged(counts: Counts, kept: set[str], rest: str) -> Counts:
    """Count all classes but the kept ones as one."""
    merged: Counts = Counter()
    for pair, count in counts.items():
        target, prediction = (name if name in kept else rest for name in pair)
        merged[target, prediction] += count
    return merged


def _matrix(counts: Counts, classes: list[str]) -> list[list[int]]:
    return [[counts[target, prediction] for prediction in classes] for target in classes]
