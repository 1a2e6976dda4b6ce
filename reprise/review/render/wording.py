"""The sentences and numbers of a report, the same in Markdown and HTML: plain text, nothing escaped."""

import math
from typing import Any

from reprise.review.data.table_diff import Moved
from reprise.review.render.verdict_style import verdict_style
from reprise.review.report import Report, Side, ValueChange, same
from reprise.review.stats.results import Comparison, MetricComparison

NONE = "–"
CELL = 80  # characters of a value


def number(value: Any, digits: int = 4) -> str:
    """Floats in so many significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NONE if value is None else str(value)
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    text = f"{abs(value):.{digits}g}".replace("e-0", "e-").replace("e+0", "e+")
    return f"−{text}" if value < 0 else text


def two(old: Any, new: Any) -> tuple[str, str]:
    """Both, in as many digits as it takes to tell them apart."""
    for digits in (4, 6, 9, 17):
        texts = (number(old, digits), number(new, digits))
        if texts[0] != texts[1] or old == new:
            break
    return texts


def signed(value: float, digits: int = 2) -> str:
    if not math.isfinite(value):
        return NONE
    return f"{'−' if value < 0 else '+'}{abs(value):.{digits}g}"


def changed(of: ValueChange) -> str:
    """New - old, of numbers."""
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in (of.old, of.new)):
        return NONE
    return "same" if same(of.old, of.new) else signed(of.new - of.old)


def plain(value: Any, most: int = CELL) -> str:
    """On one line, cut to so many characters; what would not print, or turn the text around, is replaced."""
    text = number(value) if isinstance(value, float) else NONE if value is None else str(value)
    text = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text).strip()
    return text if len(text) <= most else f"{text[: most - 1]}…"


def difference(metric: MetricComparison, value: float | None, *, sign: bool = True) -> str:
    """Proportions in percentage points, means as they are."""
    if value is None:
        return NONE
    if not metric.proportion:
        return signed(value, 3) if sign else f"{value:.3g}"
    points = value * 100
    text = f"{abs(points):.{1 if abs(points) >= 0.1 or points == 0 else 2}f}"
    return f"{('−' if points < 0 else '+') if sign else ''}{text}"


def interval(metric: MetricComparison) -> str:
    if metric.low is None or metric.high is None:
        return NONE
    return f"{difference(metric, metric.low)} to {difference(metric, metric.high)}"


def paired(comparison: Comparison) -> str | None:
    """How many rows have a partner; None where all have."""
    if not comparison.only_old + comparison.only_new:
        return None
    return (
        f"{comparison.paired} rows are in both test sets and were paired; "
        f"{comparison.only_old} are in the old one only, {comparison.only_new} in the new one only."
    )


def unpaired(metric: MetricComparison) -> str | None:
    """What stands after a metric's name of the rows that have no partner; None where they are too few to judge."""
    rows = metric.unpaired
    if rows is None or rows.low is None or rows.high is None:
        return None
    unit = " pp" if metric.proportion else ""
    apart = f"{difference(metric, rows.low)} to {difference(metric, rows.high)}{unit}"
    return f"is {_arrow(rows.old, rows.new)} (95 % interval {apart})."


def headline(report: Report) -> tuple[str, str, str]:
    """(the metric, as the user named it; what became of it; what stands in brackets after that)."""
    primary, comparison = report.primary, report.comparison
    if primary is None or comparison is None:
        return _plain_headline(report)
    unit = " pp" if primary.proportion else ""
    parts = [primary.why] if primary.why else []
    if primary.difference is not None:
        parts += [
            f"{difference(primary, primary.difference)}{unit}",
            f"95 % CI {interval(primary)}",
        ]
    parts.append(f"{comparison.paired} rows paired")
    if primary.detectable is not None:
        shown = difference(primary, primary.detectable, sign=False)
        parts.append(f"smallest difference this test set could show: {shown}{unit}")
    return (
        primary.name,
        f"{_arrow(primary.old, primary.new)}: {verdict_style(primary.verdict).label}",
        ", ".join(parts),
    )


def _plain_headline(report: Report) -> tuple[str, str, str]:
    """Without results a row of both sides nobody can tell noise from change, and the report says so."""
    why = "no results a row on both sides, so noise and real change can't be told apart"
    changed = [m for m in report.metrics if not same(m.old, m.new)]
    if not report.metrics:
        return "no metrics", "", why
    first = (changed or report.metrics)[0]
    return first.key, _arrow(first.old, first.new), why if changed else f"no metric changed; {why}"


def _arrow(old: Any, new: Any) -> str:
    return " → ".join(two(old, new))


def side(of: Side) -> str:
    return (
        of.name
        if of.commit is None or of.commit.startswith(of.name)
        else f"{of.name} ({of.commit[:7]})"
    )


def is_compared(report: Report, change: ValueChange) -> bool:
    """Whether a row of a metrics file is the mean that was compared row by row already."""
    return any(change.key == m.name for c in report.compared for m in c.comparison.metrics)


def moved_sentence(moved: Moved) -> str:
    warning = "Leakage: " if moved.leakage else ""
    if moved.both:
        return (
            f"{warning}{moved.rows} ids are in {moved.old_split} and in {moved.new_split} at once"
        )
    return f"{warning}{moved.rows} ids moved from {moved.old_split} to {moved.new_split}"


def summary(values: Any) -> str:
    """Of a column on one side, in a few words."""
    if values is None:
        return NONE
    return ", ".join(f"{name} {number(value, 3)}" for name, value in values.items())
