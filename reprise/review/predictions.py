"""Compares predictions row by row: their metrics, and which rows were fixed and broken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from reprise.dvc.history.out_files import Files, list_files
from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision
from reprise.errors import PipelineError
from reprise.review.changed_features import find_changed_test_rows
from reprise.review.changed_rows import ChangedRows, find_changed_rows
from reprise.review.confusion import Confusion, count_confusion
from reprise.review.data.tables import read_table
from reprise.review.declared import PredictionsSpec, parse_meta
from reprise.review.old_model import predict_new_rows
from reprise.review.recipe import is_same_recipe
from reprise.review.relabelled import Overlap, find_overlap, is_among, why_refused
from reprise.review.staleness import find_staleness
from reprise.review.stats.aligned import AlignedTables, align_tables
from reprise.review.stats.calibration import with_calibration
from reprise.review.stats.confused_classes import ConfusedClasses, compare_confused
from reprise.review.stats.estimate import round_result
from reprise.review.stats.parts import PartComparison, compare_parts
from reprise.review.stats.results import Comparison, Relabelled
from reprise.review.stats.verdicts import compare_metrics, compare_with_mean


@dataclass(frozen=True)
class OlderModel:
    """Holds the comparison of the new model with one of before the old one.

    comparison: over the same rows; None where that model can't predict them, `why` says why.
    """

    commit: str
    comparison: Comparison | None
    why: str | None = None


@dataclass(frozen=True)
class ComparedPredictions:
    """Holds the comparison of one declared table of predictions.

    name: the out, or the foreach stage whose outs are the seeds of one model; rows: those that
    changed, None where a side recorded several seeds, no metric is of both, or all predictions are
    the same; parts: classes and slices; together: the old model beside the mean of the new one and
    of earlier ones, None without any; confusion: over the pairs, None where a side recorded several
    seeds, there are no classes, or all predictions are the same; confused: pairs of classes whose
    rows changed most; older: models before the old one. Of replicates, rows and confusion are of
    the recorded training of either side alone.
    """

    name: str
    comparison: Comparison
    rows: ChangedRows | None
    parts: list[PartComparison] = field(default_factory=list)
    confused: list[ConfusedClasses] = field(default_factory=list)
    together: Comparison | None = None
    confusion: Confusion | None = None
    older: list[OlderModel] = field(default_factory=list)


class Replicates(NamedTuple):
    """Holds the predictions of further trainings of either side: files by out, each list a seed."""

    old: Mapping[str, Sequence[Path]]
    new: Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class OtherModels:
    """Holds more revisions to compare.

    earlier: of other models of the new side, such as those of earlier nights, which predict the new
    side's rows too, and are compared together with the new one; older: of models before the old
    one, which predict them too, and are each compared with the new one.
    """

    earlier: Sequence[Revision] = ()
    older: Sequence[Revision] = ()


NO_OTHERS = OtherModels()


@dataclass(frozen=True)
class _Group:
    """Holds the outs that are compared together: one, or one for each training seed."""

    spec: PredictionsSpec
    paths: list[str]


class _Sides(NamedTuple):
    """Holds what is compared. notes: of what could not be."""

    reader: RevisionReader
    old: Revision
    new: Revision
    notes: list[str]


class _Tables(NamedTuple):
    """Holds the predictions to compare, a table each training.

    evaluated: `old` are the old models' predictions of the new rows.
    """

    old: list[pa.Table]
    new: list[pa.Table]
    evaluated: bool = False


def compare_predictions(
    reader: RevisionReader,
    old: Revision,
    new: Revision,
    notes: list[str],
    *,
    same_rows: bool = False,
    others: OtherModels = NO_OTHERS,
    replicates: Replicates | None = None,
) -> list[ComparedPredictions]:
    """Compare each declared table that both revisions have.

    notes: it is added why others are not compared; same_rows: the old model predicts the new side's
    rows, and these predictions are compared; replicates: predictions of further trainings of either
    side, each of its own test rows: then the rows that both sides recorded are compared, and no old
    model predicts others, even where there are no such trainings yet.
    """
    sides = _Sides(reader, old, new, notes)
    results = []
    old_groups = _declared_groups(old)
    for name, group in _declared_groups(new).items():
        # Before the predictions were declared, the old revision wrote the same outs.
        old_paths = old_groups.get(name, group).paths
        if not old.outs.keys() >= set(old_paths):
            notes.append(
                f"{name}: {old.name} has no such predictions, "
                "so their metrics are not compared row by row"
            )
            continue
        try:
            recorded = _Recorded.read(sides, old_paths, group)
            tables = _choose_tables(sides, old_paths, group, recorded, same_rows, replicates)
            compared = _compare(name, tables, group.spec, recorded)
            same_recipe = is_same_recipe(reader, old, new)
            comparison = replace(compared.comparison, same_recipe=same_recipe)
            compared = replace(compared, comparison=comparison)
            results.append(_with_others(sides, compared, group, tables, recorded, others))
        except PipelineError as e:
            notes.append(f"{name}: not compared row by row: {e}")
    return results


class _Recorded(NamedTuple):
    """Holds what both sides recorded, a table each training seed.

    overlap: of their rows; features: the ids of paired rows whose features changed.
    """

    old: list[pa.Table]
    new: list[pa.Table]
    overlap: Overlap
    features: Any

    @classmethod
    def read(cls, sides: _Sides, old_paths: Sequence[str], group: _Group) -> "_Recorded":
        """Read them. Raises PipelineError for those that nothing has."""
        old = _read_all(sides.reader, sides.old, old_paths, group.spec)
        new = _read_all(sides.reader, sides.new, group.paths, group.spec)
        overlap = find_overlap(old[0], new[0], group.spec)
        return cls(old, new, overlap, _changed_features(sides, group, overlap))

    @property
    def are_of_other_rows(self) -> bool:
        """Tell whether some row of the new side is not, or otherwise, on the old one."""
        changed = len(self.overlap.left_out(self.features))
        return bool(changed) or self.overlap.paired < len(self.new[0])


def _choose_tables(
    sides: _Sides,
    old_paths: Sequence[str],
    group: _Group,
    recorded: _Recorded,
    same_rows: bool,
    replicates: Replicates | None,
) -> _Tables:
    """Take further trainings to what is recorded, or have the old models predict the new rows."""
    if replicates is not None:
        old = [*recorded.old, *_read_replicates(replicates.old, old_paths, group.spec)]
        new = [*recorded.new, *_read_replicates(replicates.new, group.paths, group.spec)]
        return _Tables(old, new)
    predicted = None
    if same_rows:
        predicted = _predict_all(sides.reader, sides.old, sides.new, group)
    elif recorded.are_of_other_rows:
        predicted = _try_predicting(sides, group)
    if predicted is None:
        return _Tables(recorded.old, recorded.new)
    return _Tables(predicted, recorded.new, evaluated=True)


def _with_others(
    sides: _Sides,
    compared: ComparedPredictions,
    group: _Group,
    tables: _Tables,
    recorded: _Recorded,
    others: OtherModels,
) -> ComparedPredictions:
    """Compare the new models with older ones, and with earlier ones together."""
    ids = recorded.overlap.relabelled
    nights = _predict_earlier(sides, others.earlier, group)
    if nights:
        old = _without(ids, tables.old, group.spec)
        new = _without(ids, [*tables.new, *nights], group.spec)
        compared = replace(compared, together=compare_with_mean(old, new, group.spec))
    older = []
    for revision in others.older:
        older.append(_compare_older(sides, revision, group, tables.new, ids))
    return replace(compared, older=older)


def _try_predicting(sides: _Sides, group: _Group) -> list[pa.Table] | None:
    """Return the old models' predictions of the new rows; None, and a note, if there are none."""
    try:
        if sides.new.commit is not None:
            raise PipelineError("that runs a stage, which a report of the working tree alone does")
        if find_staleness(sides.new) is not None:
            raise PipelineError("the working tree is not as DVC recorded it")
        return _predict_all(sides.reader, sides.old, sides.new, group)
    except PipelineError as e:
        path = group.paths[0]
        sides.notes.append(f"{path}: the old model was not evaluated on new rows and labels: {e}")
        return None


def primary_predictions(revision: Revision) -> tuple[str, PredictionsSpec] | None:
    """Return the first predictions that dvc.yaml declares, with their name; None without any."""
    for name, group in _declared_groups(revision).items():
        return name, group.spec
    return None


def _declared_groups(revision: Revision) -> dict[str, _Group]:
    """Return the declared predictions by name.

    The outs of one foreach stage are one group if they declare `seeds`.
    """
    groups: dict[str, _Group] = {}
    for record in revision.records.values():
        for path in record.outs:
            where, meta = revision.metas[path]
            spec = parse_meta(where, meta).predictions
            if spec is None:
                continue
            name = path
            if spec.seeds:
                name = record.group
            group = groups.setdefault(name, _Group(spec, []))
            group.paths.append(path)
    return groups


def _read_all(
    revisions: RevisionReader, revision: Revision, paths: Sequence[str], spec: PredictionsSpec
) -> list[pa.Table]:
    """Read the declared columns of each out. Raises PipelineError for one that nothing has."""
    return [_read(revisions.files(revision, path), path, spec) for path in paths]


def _read(files: Files, path: str, spec: PredictionsSpec) -> pa.Table:
    return read_table(files, path, _columns(spec), spec.metric_columns)


def _read_replicates(
    files: Mapping[str, Sequence[Path]], paths: Sequence[str], spec: PredictionsSpec
) -> list[pa.Table]:
    """Read the declared columns of what further trainings wrote as these outs."""
    tables = []
    for path in paths:
        for file in files.get(path, []):
            tables.append(_read(list_files(file), path, spec))
    return tables


def _columns(spec: PredictionsSpec) -> list[str]:
    """List the columns to read, each once."""
    names = [spec.id]
    names += [metric.column for metric in spec.metrics.values()]
    names += [name for name in (spec.group, spec.target, spec.prediction) if name is not None]
    names += spec.slices
    if spec.calibration is not None:
        names.append(spec.calibration.confidence)
    return list(dict.fromkeys(names))


def _predict_all(
    revisions: RevisionReader, old: Revision, new: Revision, group: _Group
) -> list[pa.Table] | None:
    """Return the old models' predictions of the new rows, [seeds] tables.

    None where the predictions that the old revision made itself are of the new rows already.
    """
    columns = _columns(group.spec)
    tables = []
    for path in group.paths:
        predicted = predict_new_rows(revisions, old, new, path, group.spec, columns)
        if predicted is None:
            return None
        tables.append(predicted)
    return tables


def _predict_or_read(
    revisions: RevisionReader, old: Revision, new: Revision, group: _Group
) -> list[pa.Table]:
    """Return the old models' predictions of the new rows, from what is recorded where it can be."""
    predicted = _predict_all(revisions, old, new, group)
    if predicted is None:
        return _read_all(revisions, old, group.paths, group.spec)
    return predicted


def _predict_earlier(sides: _Sides, earlier: Sequence[Revision], group: _Group) -> list[pa.Table]:
    """Return the earlier models' predictions of the new rows.

    Those that can't predict these are left out, with a note.
    """
    tables = []
    for revision in earlier:
        try:
            tables += _predict_or_read(sides.reader, revision, sides.new, group)
        except PipelineError as e:
            sides.notes.append(f"{revision.name}: an earlier model that is left out: {e}")
    return tables


def _compare_older(
    sides: _Sides, older: Revision, group: _Group, new_tables: list[pa.Table], left_out: Any
) -> OlderModel:
    """Compare an older model with the new one, on the new rows. left_out: the ids of some rows."""
    assert older.commit is not None
    try:
        tables = _predict_or_read(sides.reader, older, sides.new, group)
        old_rows = _without(left_out, tables, group.spec)
        new_rows = _without(left_out, new_tables, group.spec)
        comparison = compare_metrics(old_rows, new_rows, group.spec, left_out=len(left_out))
    except PipelineError as e:
        return OlderModel(older.commit, None, str(e))
    return OlderModel(older.commit, comparison)


def _without(ids: Any, tables: Sequence[pa.Table], spec: PredictionsSpec) -> list[pa.Table]:
    """Leave out the rows of these ids."""
    if not len(ids):
        return list(tables)
    return [table.filter(pc.invert(is_among(table, spec, ids))) for table in tables]


def _compare(
    name: str, tables: _Tables, spec: PredictionsSpec, recorded: _Recorded
) -> ComparedPredictions:
    """Compare the tables, one for each seed; list changed rows where each side recorded one.

    Rows whose label changed are left out, and those whose features did unless the old models
    predicted these.
    """
    overlap, features = recorded.overlap, recorded.features
    ids = overlap.relabelled
    refused = why_refused("labels", len(ids), overlap.paired)
    if not tables.evaluated:
        refused = refused or why_refused("features", len(features), overlap.paired)
        ids = overlap.left_out(features)
    old, new = _without(ids, tables.old, spec), _without(ids, tables.new, spec)
    judged, calibrated = with_calibration([*old, *new], spec)
    aligned = align_tables(old, new, spec)
    same = aligned.are_same(spec)
    comparison = compare_metrics(
        judged[: len(old)],
        judged[len(old) :],
        calibrated,
        refused=refused,
        left_out=len(ids),
        same=same,
    )
    relabelled = None
    if len(overlap.relabelled):
        relabelled = _describe_relabelled(tables, spec, overlap.relabelled)
    comparison = replace(
        comparison,
        evaluated=tables.evaluated,
        relabelled=relabelled,
        changed_features=len(features),
    )
    compared = ComparedPredictions(name, comparison, None)
    if same:
        return compared
    if max(len(recorded.old), len(recorded.new)) == 1:
        one = aligned
        if max(len(old), len(new)) != 1:
            one = align_tables(old[:1], new[:1], spec)
        rows = find_changed_rows(one, spec)
        compared = replace(compared, rows=rows, confusion=_count_confusion(one, spec))
    if comparison.refused is not None:
        return compared
    parts = compare_parts(aligned, spec)
    return replace(compared, parts=parts, confused=compare_confused(aligned, spec))


def _count_confusion(tables: AlignedTables, spec: PredictionsSpec) -> Confusion | None:
    """Count both sides' predictions of the pairs. None where these are no classes."""
    labels = tables.labels(spec)
    if labels is None:
        return None
    columns = (labels.truth, labels.old[0], labels.new[0])
    return count_confusion(*(pa.chunked_array([column]) for column in columns))


def _describe_relabelled(tables: _Tables, spec: PredictionsSpec, ids: Any) -> Relabelled:
    """Set the old models beside the new ones on the rows whose label changed.

    What the old models recorded is against the old labels, and is left out.
    """
    name, metric = next(iter(spec.ordered_metrics.items()))
    old_mean = None
    if tables.evaluated:
        old_mean = _mean_of(tables.old, spec, metric.column, ids)
    return Relabelled(len(ids), name, old_mean, _mean_of(tables.new, spec, metric.column, ids))


def _mean_of(
    tables: Sequence[pa.Table], spec: PredictionsSpec, column: str, ids: Any
) -> float | None:
    """Return the mean of the column over the rows of these ids, and over the tables."""
    parts = []
    for table in tables:
        if column not in table.column_names:
            return None
        parts.append(pc.cast(table.filter(is_among(table, spec, ids))[column], pa.float64()))
    mean = pc.mean(pa.chunked_array([chunk for part in parts for chunk in part.chunks]))
    if mean.as_py() is None:
        return None
    return round_result(mean.as_py())


def _changed_features(sides: _Sides, group: _Group, overlap: Overlap) -> Any:
    """Find the ids of the paired rows whose features changed; none, and a note, if it can't."""
    path = group.paths[0]
    try:
        changed = find_changed_test_rows(sides.reader, sides.old, sides.new, path)
        return overlap.paired_among(changed)
    except PipelineError as e:
        sides.notes.append(f"{path}: whether features changed was not looked for: {e}")
        return pa.array([], pa.string())
