"""Builds the report: reads both revisions and compares values, stages, data and predictions."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import WORKTREE, Revision, StageRecord
from reprise.review.baselines import Baseline, find_baselines
from reprise.review.change_state import ChangeState, change_state
from reprise.review.commits import label_revision, project_name
from reprise.review.curves import compare_curve_sets, compare_curves
from reprise.review.data.changes import find_data_changes
from reprise.review.model_sizes import compare_model_sizes
from reprise.review.predictions import (
    ComparedPredictions,
    OtherModels,
    compare_predictions,
    primary_predictions,
)
from reprise.review.report import Report, StageChange, ValueChange, values_equal
from reprise.review.sides import Side, find_sides
from reprise.review.staleness import find_staleness, stale_records
from reprise.shorten import shorten
from reprise.state.durations import Durations


def review(
    old: str,
    new: str | None = None,
    *,
    same_rows: bool = False,
    earlier: Sequence[str] = (),
    older: Sequence[str] = (),
) -> Report:
    """Compare two revisions; without `new`, the working tree with where it left `old`.

    old, new: see `find_sides`; same_rows: compare the working tree with `old` itself, and run the
    old model on the working tree's test rows; earlier, older: commits of other models of the new
    and the old side, see `compare_predictions`.
    Raises PipelineError for revisions that git does not know and for wrong declarations.
    """
    # The folder is for copies of what neither the workspace nor the cache has.
    with (
        TemporaryDirectory(prefix="reprise-") as temporary,
        RevisionReader(Path(temporary)) as reader,
    ):
        if same_rows:
            assert new is None
            sides: tuple[Side | None, Side] = (Side(old, reader.commit(old)), Side(WORKTREE, None))
        else:
            sides = find_sides(reader, old, new)
        old_revision, new_revision = read_sides(reader, *sides)
        others = OtherModels(
            earlier=[reader.read(commit[:12], commit) for commit in earlier],
            older=[reader.read(commit[:12], commit) for commit in older],
        )
        notes: list[str] = []
        compared = compare_predictions(
            reader, old_revision, new_revision, notes, same_rows=same_rows, others=others
        )
        return build_report(reader, old_revision, new_revision, compared, notes)


def build_report(
    reader: RevisionReader,
    old: Revision,
    new: Revision,
    compared: list[ComparedPredictions],
    compared_notes: Sequence[str],
) -> Report:
    """Compare the revisions in every other respect. The notes of all parts end up in one list."""
    notes = [*_notes(old, new), *compared_notes]
    plotted = [old, new]
    if old.commit is None:
        plotted = [new]
    plots, plotted_files = reader.plots(plotted, notes)
    data, moved = find_data_changes(reader, old, new, plotted_files, notes)
    first: str | None = None
    baselines: list[Baseline] = []
    primary = primary_predictions(new)
    if primary is not None:
        first, spec = primary
        baselines = find_baselines(new, spec, notes)
    return Report(
        old=label_revision(old),
        new=label_revision(new),
        compared=compared,
        metrics=_compare_values(old.metrics, new.metrics, unchanged=True),
        params=_compare_values(old.params, new.params),
        stages=_compare_stages(old, new, Durations(reader.records)),
        data=data,
        moved=moved,
        curves=compare_curves(plots, old, new),
        notes=notes,
        first=first,
        stale=find_staleness(new),
        baselines=baselines,
        curve_sets=compare_curve_sets(plots, old, new),
        project=project_name(),
        models=compare_model_sizes(old, new),
    )


def read_sides(
    reader: RevisionReader, old_side: Side | None, new_side: Side
) -> tuple[Revision, Revision]:
    """Read both sides. Before the first commit there is nothing on the old one."""
    new_revision = reader.read(new_side.name, new_side.commit)
    if old_side is None:
        return Revision("nothing", None), new_revision
    return reader.read(old_side.name, old_side.commit), new_revision


def _notes(old: Revision, new: Revision) -> list[str]:
    """Say what could not be read, and which stages have not run since something changed."""
    notes = []
    for revision in (old, new):
        for error in revision.errors:
            notes.append(f"{revision.name}: {error}")
    for path in new.modified:
        notes.append(f"{new.name}: {path} is not what DVC recorded; it was taken as it is")
    for record in stale_records(new):
        causes = shorten(record.stale, 3)
        notes.append(f"{new.name}: stage {record.name} has not run since {causes} changed")
    return notes


def _compare_values(
    old: Mapping[str, Any], new: Mapping[str, Any], *, unchanged: bool = False
) -> list[ValueChange]:
    """List the keys that differ, of all files. unchanged: list the other keys too."""
    changes = []
    for file in _union(old, new):
        old_values = old.get(file, {})
        new_values = new.get(file, {})
        for key in _union(old_values, new_values):
            state = change_state(in_old=key in old_values, in_new=key in new_values)
            before = old_values.get(key)
            after = new_values.get(key)
            differs = state is not ChangeState.CHANGED or not values_equal(before, after)
            if differs or unchanged:
                changes.append(ValueChange(file, key, state, before, after))
    return changes


def _union(old: Iterable[str], new: Iterable[str]) -> list[str]:
    """List the names of both sides, each once: first those of `old`, in their order."""
    return list(dict.fromkeys([*old, *new]))


def _compare_stages(old: Revision, new: Revision, durations: Durations) -> list[StageChange]:
    """List the stages that are new, gone, or have run anew.

    durations: of the runs in this working tree; a stage has that of the run which the new side
    recorded, or none.
    """
    old_records = _stage_records(old)
    new_records = _stage_records(new)
    changes = []
    for name in _union(old_records, new_records):
        state = change_state(in_old=name in old_records, in_new=name in new_records)
        causes = []
        if state is ChangeState.CHANGED:
            causes = _causes(old_records[name], new_records[name])
            if not causes:
                continue
        seconds = None
        if state is not ChangeState.REMOVED:
            seconds = durations.of_entry(new_records[name].entry)
        changes.append(StageChange(name, state, causes, seconds))
    return changes


def _stage_records(revision: Revision) -> dict[str, StageRecord]:
    """Return what the revision's dvc.lock says of its stages; data of .dvc files are none."""
    return {name: record for name, record in revision.records.items() if not record.source}


def _causes(old: StageRecord, new: StageRecord) -> list[str]:
    """List what differs between two runs of a stage; its outs, if nothing else does."""
    causes = []
    if old.command != new.command:
        causes.append("its command")
    causes += [change.key for change in _compare_values(old.params, new.params)]
    causes += [
        path for path in _union(old.deps, new.deps) if old.deps.get(path) != new.deps.get(path)
    ]
    old_inputs = (old.command, old.params, old.deps)
    new_inputs = (new.command, new.params, new.deps)
    if old_inputs == new_inputs and old.outs != new.outs:
        causes.append("other outs from the same inputs")
    return causes
