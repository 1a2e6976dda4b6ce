"""Everything that a reviewer is told about two revisions, as data: `review` makes it, Markdown and HTML show it."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import WORKTREE, Revision, StageRecord
from reprise.errors import PipelineError
from reprise.git import is_shallow, merge_base
from reprise.review.change_state import ChangeState, change_state
from reprise.review.curves import Curve, curves
from reprise.review.data.changes import DataChange, find_data_changes
from reprise.review.data.moved_ids import MovedIds
from reprise.review.predictions import ComparedPredictions, compared, first_of
from reprise.review.stats.results import Comparison, MetricComparison
from reprise.state.durations import Durations


@dataclass(frozen=True)
class RevisionLabel:
    """commit: None for the working tree."""

    name: str
    commit: str | None


@dataclass(frozen=True)
class ValueChange:
    """A key of a metrics or params file. old, new: None on a side that does not have it."""

    file: str
    key: str
    kind: ChangeState
    old: Any
    new: Any


@dataclass(frozen=True)
class StageChange:
    """kind: changed, when dvc.lock tells of another run. why: what it ran with that was not so before."""

    name: str
    kind: ChangeState
    why: list[str]
    seconds: float | None = None


@dataclass(frozen=True)
class Report:
    """compared: per-row results, the primary first; notes: what a reader should know about what is not here."""

    old: RevisionLabel
    new: RevisionLabel
    compared: list[ComparedPredictions]
    metrics: list[ValueChange]  # unchanged ones too
    params: list[ValueChange]
    stages: list[StageChange]
    data: list[DataChange]
    moved: list[MovedIds]
    curves: list[Curve]
    notes: list[str] = field(default_factory=list)
    first: str | None = None  # of the predictions in dvc.yaml, compared or not

    @property
    def comparison(self) -> Comparison | None:
        """Of the first predictions in dvc.yaml; None where they could not be compared, whatever others say."""
        return next((c.comparison for c in self.compared if self.first in (None, c.name)), None)

    @property
    def primary(self) -> MetricComparison | None:
        """What `--fail-on` and the headline go by: the first metric of the first predictions in dvc.yaml."""
        return self.comparison.metrics[0] if self.comparison else None


def review(old: str, new: str | None = None, *, same_rows: bool = False) -> Report:
    """Compares `new` (None: the working tree) with where it left `old`: their merge base.

    same_rows: the old model is run on the new side's test rows, which has to be the working tree for that.
    Raises PipelineError for revisions that git does not know and declarations that are wrong.
    """
    with TemporaryDirectory(
        prefix="reprise-"
    ) as temporary:  # for copies of what neither workspace nor cache has
        return _review(RevisionReader(Path(temporary)), old, new, same_rows)


def to_json(report: Report) -> str:
    """NaN and infinity become null; dates text."""
    return (
        json.dumps(
            _plain(asdict(report)), indent=2, ensure_ascii=False, default=str, allow_nan=False
        )
        + "\n"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _review(revisions: RevisionReader, old: str, new: str | None, same_rows: bool) -> Report:
    sides = _sides(revisions, old, new)
    before, after = (
        revisions.read(s.name, s.commit) if s else Revision("nothing", None) for s in sides
    )
    notes = [f"{r.name}: {error}" for r in (before, after) for error in r.errors]
    notes += [
        f"{after.name}: stage {r.name} has not run since {_listed(r.stale)} changed"
        for r in _stale(after)
    ]
    pairs = compared(revisions, before, after, notes, same_rows=same_rows)
    plots, plot_files = revisions.plots(
        [r for r, s in zip((before, after), sides, strict=True) if s]
    )
    data, moved = find_data_changes(revisions, before, after, plot_files, notes)
    return Report(
        old=sides[0] or RevisionLabel("nothing", None),
        new=sides[1],
        compared=pairs,
        metrics=[*_values(before.metrics, after.metrics, unchanged=True)],
        params=[*_values(before.params, after.params)],
        stages=[*_stages(before, after, Durations(revisions.records) if new is None else None)],
        data=data,
        moved=moved,
        curves=curves(plots, before, after),
        notes=notes,
        first=first_of(after),
    )


def _sides(
    revisions: RevisionReader, old: str, new: str | None
) -> tuple[RevisionLabel | None, RevisionLabel]:
    """None in place of the old one: there is no commit yet."""
    if not revisions.has_commits and new is None:
        return None, RevisionLabel(WORKTREE, None)
    commit = revisions.commit(new) if new is not None else None
    tip = revisions.commit(old)
    base = merge_base(tip, commit or revisions.commit("HEAD"))
    if base is None:
        hint = "; this clone is shallow: fetch more of the history" if is_shallow() else ""
        raise PipelineError(
            f"{old}: found no common ancestor with {new or 'HEAD'}; expected one{hint}"
        )
    return RevisionLabel(old, base), RevisionLabel(new if new is not None else WORKTREE, commit)


def _stale(revision: Revision) -> list[StageRecord]:
    return [r for r in revision.records.values() if r.stale and r.command is not None]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _values(
    old: Mapping[str, Any], new: Mapping[str, Any], *, unchanged: bool = False
) -> Iterator[ValueChange]:
    for file in dict.fromkeys([*old, *new]):
        before, after = old.get(file, {}), new.get(file, {})
        for key in dict.fromkeys([*before, *after]):
            if (
                unchanged
                or key not in before
                or key not in after
                or not values_equal(before[key], after[key])
            ):
                kind = change_state(in_old=key in before, in_new=key in after)
                yield ValueChange(file, key, kind, before.get(key), after.get(key))


def values_equal(old: Any, new: Any) -> bool:
    """NaN is the same as NaN."""
    return bool(old == new or (old != old and new != new))


def _stages(old: Revision, new: Revision, durations: Durations | None) -> Iterator[StageChange]:
    """durations: of the working tree; how long stages took for a commit is known nowhere."""
    ran = [
        {name: r for name, r in revision.records.items() if not r.source} for revision in (old, new)
    ]
    for name in dict.fromkeys([*ran[0], *ran[1]]):
        before, after = (records.get(name) for records in ran)
        if after is None:
            yield StageChange(name, ChangeState.REMOVED, [])
        elif before is None:
            yield StageChange(
                name, ChangeState.ADDED, [], durations.last(name) if durations else None
            )
        elif why := [*_why(before, after)]:
            yield StageChange(
                name, ChangeState.CHANGED, why, durations.last(name) if durations else None
            )


def _why(before: StageRecord, after: StageRecord) -> Iterator[str]:
    """What differs between two runs of a stage; that its outs alone do is the last thing to say."""
    if before.command != after.command:
        yield "its command"
    yield from (c.key for c in _values(before.params, after.params))
    yield from (
        p
        for p in dict.fromkeys([*before.deps, *after.deps])
        if before.deps.get(p) != after.deps.get(p)
    )
    same_inputs = (before.command, before.params, before.deps) == (
        after.command,
        after.params,
        after.deps,
    )
    if same_inputs and before.outs != after.outs:
        yield "other outs from the same inputs"
