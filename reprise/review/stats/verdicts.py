"""Did a metric really move? Tables of predictions of two revisions in, verdicts out, as data.

One rule holds test and interval together. A metric is *better* or *worse* when its p-value, Holm-adjusted over all
metrics, is at most 5 %. The interval shown is the metric's own 95 % interval, unadjusted; where the adjusted test does
not exclude zero, the interval is widened to reach it. So an interval excludes zero exactly when the test does, and it
covers the truth in at least as many cases as before: zero is judged by the stricter test, every other value by the
interval's (the step-wise intervals of Hsu and Berger 1999, J. Amer. Statist. Assoc. 94, are made so).
A metric is *equivalent* when that interval lies inside ± its declared margin, also if it excludes zero: the margin says
which differences are too small to matter. That is two one-sided tests at 2.5 % (Schuirmann 1987, J. Pharmacokinet.
Biopharm. 15), stricter than the 90 % interval that is common, so that the reader sees the interval that decided
(two-sided 95 % is also what ICH E9, section 3.3.2, sets for equivalence).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from reprise.review.declared import Direction, MetricSpec, PredictionsSpec
from reprise.review.stats.intervals import LEVEL, Estimate, crossed, mean_difference, two_samples
from reprise.review.stats.pairing import Array, Rows, Side, codes, match, sides
from reprise.review.stats.proportions import proportion_difference
from reprise.review.stats.results import Comparison, MetricComparison, Unpaired, Verdict

__all__ = ["Comparison", "MetricComparison", "Unpaired", "Verdict", "compare"]

MIN_PAIRED = 0.5  # of either side's rows; with fewer the two test sets are not the same
ROUNDING = (
    1e-9  # relative; float32 results of one model on two machines differ by more, but to both sides
)
MIN_UNITS = 20  # rows, or groups, that an interval needs


def compare(
    old: Sequence[pa.Table], new: Sequence[pa.Table], spec: PredictionsSpec, *, seed: int = 0
) -> Comparison:
    """A table a training seed, at least one each side; `seed` is of the bootstrap. A pair is of its new row's group.

    PipelineError: a missing column, a column of a wrong type, an id that is empty or there twice.
    """
    assert old
    assert new
    a, b = sides(old, new, spec)
    rows = match(a, b)
    refused = _refused(a, b, rows)
    group = codes(b.groups, rows.new)
    units = len(rows.new) if group is None else int(group.max(initial=-1)) + 1
    whys = {
        name: refused or _why(m.column, a, b, rows, group, units)
        for name, m in spec.metrics.items()
    }
    tests = sum(not why for why in whys.values())
    estimates = {
        name: _estimate(
            a.values[m.column][:, rows.old], b.values[m.column][:, rows.new], group, tests, seed
        )
        for name, m in spec.metrics.items()
        if not whys[name]
    }
    adjusted = dict(zip(estimates, holm([e.p for e in estimates.values()]), strict=True))
    metrics = [
        _metric(name, m, a, b, rows, whys[name], estimates.get(name), adjusted.get(name))
        for name, m in spec.metrics.items()
    ]
    only = len(rows.only_old), len(rows.only_new)
    note = _note(len(old), len(new), any(len(s.ids) < s.rows for s in (a, b)))
    return Comparison(
        a.rows, b.rows, len(rows.old), *only, len(old), len(new), metrics, note, refused
    )


def holm(p: Sequence[float]) -> list[float]:
    """Step-down adjusted p-values: Holm 1979, Scandinavian J. Statist. 6."""
    adjusted, highest = [0.0] * len(p), 0.0
    for step, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, p[i] * (len(p) - step)))
        adjusted[i] = highest
    return adjusted


def _estimate(old: Array, new: Array, group: Array | None, tests: int, seed: int) -> Estimate:
    """old, new: [seeds, rows] of the paired rows."""
    if max(len(old), len(new)) > 1:
        return crossed(old, new, group, tests)
    if group is None and _zero_one(old, new):
        return proportion_difference(
            int((new > old).sum()), int((new < old).sum()), old.shape[1], tests
        )
    return mean_difference(_apart(old[0], new[0]), group, tests, seed)


def _apart(old: Array, new: Array) -> Array:
    """new - old, [rows]; 0 where it is no more than another order of adding up would make of it."""
    d = new - old
    return np.where(np.abs(d) <= ROUNDING * np.maximum(np.abs(old), np.abs(new)), 0.0, d)


def _zero_one(*values: Array) -> bool:
    return all(bool(((x == 0) | (x == 1)).all()) for x in values)


def _refused(old: Side, new: Side, rows: Rows) -> str | None:
    for name, side in (("old", old), ("new", new)):
        if len(rows.old) < MIN_PAIRED * side.rows:
            found = f"{len(rows.old):,} of the {side.rows:,} rows of {name} are in every table of both sides"
            return f"the test rows differ too much: {found}; at least {MIN_PAIRED:.0%} are needed"
    return None


def _why(
    column: str, old: Side, new: Side, rows: Rows, group: Array | None, units: int
) -> str | None:
    """Why this column has no verdict; None if it has one."""
    for name, side, at in (("old", old, rows.old), ("new", new, rows.new)):
        if column not in side.values:
            return f"{name} has no such column"
        bad = int((~np.isfinite(side.values[column][:, at])).any(axis=0).sum())
        if bad:
            return (
                f"its column is empty or not finite in {bad:,} of {len(at):,} paired rows of {name}"
            )
    what = "rows" if group is None else "groups"
    return (
        f"{units} {what} are paired; at least {MIN_UNITS} are needed" if units < MIN_UNITS else None
    )


def _metric(
    name: str,
    m: MetricSpec,
    old: Side,
    new: Side,
    rows: Rows,
    why: str | None,
    e: Estimate | None,
    p: float | None,
) -> MetricComparison:
    old_mean, new_mean = (
        _mean(side.values[m.column]) if m.column in side.values else None for side in (old, new)
    )
    difference, unpaired = (
        _difference(m.column, old, new, rows),
        _unpaired(m.column, old, new, rows),
    )
    none = (None, None, None, None, why, None, "none")
    sides = [side.values[m.column] for side in (old, new) if m.column in side.values]
    proportion = bool(sides) and _zero_one(*sides)
    plain = MetricComparison(
        name,
        m.column,
        m.better,
        m.margin,
        proportion,
        old_mean,
        new_mean,
        difference,
        *none,
        unpaired=unpaired,
    )
    if e is None or p is None:
        return plain
    low, high = (e.low, e.high) if p <= LEVEL else (min(e.low, 0.0), max(e.high, 0.0))
    assert p > LEVEL or low > 0 or high < 0, e
    able = None if e.detectable is None else _rounded(e.detectable)
    return replace(
        plain,
        difference=_rounded(e.difference),
        low=_rounded(low),
        high=_rounded(high),
        p_value=_rounded(p),
        verdict=_verdict(m, e.difference, low, high, p),
        detectable=able,
        method=e.method,
    )


def _verdict(m: MetricSpec, difference: float, low: float, high: float, p: float) -> Verdict:
    if m.margin is not None and -m.margin < low and high < m.margin:
        return Verdict.EQUIVALENT
    if p > LEVEL:
        return Verdict.NO_DIFFERENCE
    is_better = (difference > 0) == (m.better is Direction.HIGHER)
    return Verdict.BETTER if is_better else Verdict.WORSE


def _difference(column: str, old: Side, new: Side, rows: Rows) -> float | None:
    if not len(rows.old) or column not in old.values or column not in new.values:
        return None
    a, b = old.values[column][:, rows.old], new.values[column][:, rows.new]
    return _rounded(b.mean() - a.mean()) if np.isfinite(a).all() and np.isfinite(b).all() else None


def _unpaired(column: str, old: Side, new: Side, rows: Rows) -> Unpaired | None:
    """Seeds averaged: their variation is not in this interval."""
    if (
        not len(rows.only_old)
        or not len(rows.only_new)
        or column not in old.values
        or column not in new.values
    ):
        return None
    a, b = (
        old.values[column][:, rows.only_old].mean(0),
        new.values[column][:, rows.only_new].mean(0),
    )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    groups = codes(old.groups, rows.only_old), codes(new.groups, rows.only_new)
    units = [len(x) if g is None else int(g.max()) + 1 for x, g in zip((a, b), groups, strict=True)]
    low, high = (
        map(_rounded, two_samples(a, b, groups)) if min(units) >= MIN_UNITS else (None, None)
    )
    means = _rounded(a.mean()), _rounded(b.mean()), _rounded(b.mean() - a.mean())
    return Unpaired(len(a), len(b), *means, low, high)


def _mean(values: Array) -> float | None:
    """None where a value is missing, or there is none."""
    return _rounded(values.mean()) if values.size and np.isfinite(values).all() else None


def _rounded(x: float) -> float:
    """To 10 digits: the last bits of sums differ between machines."""
    return float(f"{x:.10g}")


def _note(old: int, new: int, dropped: bool) -> str:
    if max(old, new) == 1:
        return "One training run a side: how much training again, with another seed, would change is not in the intervals."
    note = f"{old} and {new} training seeds: how much they differ is in the intervals."
    if 1 in (old, new):
        note += " The side with one seed is taken to vary as the other does."
    return note + (" Rows that not every seed of a side has are left out." if dropped else "")
