"""Select what of a report is shown where, for every format alike."""

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

from reprise.review.changed_rows import ChangedRows
from reprise.review.data.columns import ColumnDiff
from reprise.review.data.drift import LEVEL
from reprise.review.data.table_diff import TableDiff
from reprise.review.model_sizes import ModelSize
from reprise.review.predictions import ComparedPredictions
from reprise.review.report import Report, ValueChange, values_equal
from reprise.review.stats.parts import PartComparison
from reprise.review.stats.results import Comparison, MetricComparison, Verdict

_RANKS: dict[Verdict | None, int] = {
    Verdict.WORSE: 0,
    Verdict.BETTER: 1,
    Verdict.EQUIVALENT: 2,
    Verdict.NO_DIFFERENCE: 2,
    Verdict.SAME: 2,
    None: 2,
}


def other_metrics(report: Report) -> list[ValueChange]:
    """Return the metrics that were not compared row by row already, without those of baselines."""
    names = set()
    for compared in report.compared:
        names |= {metric.name for metric in compared.comparison.metrics}
    sections = tuple(f"{baseline.name}." for baseline in report.baselines)
    return [
        change
        for change in report.metrics
        if change.key not in names and not change.key.startswith(sections)
    ]


def changed_values(report: Report) -> list[ValueChange]:
    """Return those of `other_metrics` whose value changed."""
    changed = []
    for change in other_metrics(report):
        if not values_equal(change.old, change.new):
            changed.append(change)
    return changed


def sorted_metrics(comparison: Comparison) -> list[MetricComparison]:
    """Return the primary metric, then those that are worse, those that are better, and the rest."""
    primary, *others = comparison.metrics
    return [primary, *sorted(others, key=lambda metric: _RANKS[metric.verdict])]


def shown_metrics(comparison: Comparison, most: int) -> int:
    """Return how many of the sorted metrics a table of `most` shows: at least all worse ones."""
    verdicts = Counter(map(attrgetter("verdict"), comparison.metrics))
    return max(most, verdicts[Verdict.WORSE] + 1)


def shown_parts(parts: Sequence[PartComparison], most: int) -> int:
    """Return how many classes and slices a table of `most` shows: at least all worse ones."""
    verdicts = Counter(map(attrgetter("result.verdict"), parts))
    return max(most, verdicts[Verdict.WORSE])


def moved_parts(parts: Sequence[PartComparison]) -> list[PartComparison]:
    """Return the classes and slices that are worse or better."""
    moved = (Verdict.WORSE, Verdict.BETTER)
    shown = []
    for part in parts:
        if part.result.verdict in moved:
            shown.append(part)
    return shown


def drifted_columns(diff: TableDiff) -> list[ColumnDiff]:
    """Return the columns with a flag, in the table's order."""
    drifted = []
    for column in diff.columns:
        if column.flag:
            drifted.append(column)
    return drifted


def most_drifted(diff: TableDiff) -> list[ColumnDiff]:
    """Return the columns with a flag, those that drifted most first."""
    columns = drifted_columns(diff)
    return sorted(columns, key=lambda column: (-(column.drift or 0), column.name))


def changed_columns(diff: TableDiff) -> list[ColumnDiff]:
    """Return the columns in which changed rows differ, those of most rows first."""
    columns = filter(attrgetter("changed"), diff.columns)
    return sorted(columns, key=attrgetter("changed"), reverse=True)


def drifts(diff: TableDiff) -> bool:
    """Tell whether classes or columns of a table drifted."""
    return classes_drifted(diff) or any(map(attrgetter("flag"), diff.columns))


def classes_drifted(diff: TableDiff) -> bool:
    """Tell whether the classes have other shares than before, beyond chance."""
    return diff.classes_p is not None and diff.classes_p <= LEVEL


def with_changed_rows(report: Report) -> list[tuple[ComparedPredictions, ChangedRows]]:
    """Return the predictions of which rows were fixed or broken, with these rows."""
    result = []
    for compared in report.compared:
        rows = compared.rows
        if rows is not None and rows.fixed + rows.broken > 0:
            result.append((compared, rows))
    return result


def changed_models(report: Report) -> list[ModelSize]:
    """Return the models whose size changed."""
    changed = []
    for model in report.models:
        if model.old != model.new:
            changed.append(model)
    return changed
