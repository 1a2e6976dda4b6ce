"""Per-row results of two revisions: the comparison of their metrics, and which rows were fixed and broken."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision
from reprise.errors import PipelineError
from reprise.review.data.tables import read_table
from reprise.review.declared import Direction, PredictionsSpec, parse_meta
from reprise.review.old_model import on_new_rows
from reprise.review.stats.results import Comparison
from reprise.review.stats.verdicts import compare_metrics

SHOWN = 10  # rows of each kind
Value = str | int | float | bool | None


@dataclass(frozen=True)
class ChangedRow:
    """A test row whose result changed. change: of the primary metric's column, new - old."""

    id: Value
    target: Value
    old: Value
    new: Value
    change: float


@dataclass(frozen=True)
class ChangedRows:
    """ChangedRows that the new side does better (fixed) and worse (broken), with those that changed most."""

    fixed: int
    broken: int
    top_fixed: list[ChangedRow]
    top_broken: list[ChangedRow]


@dataclass(frozen=True)
class ComparedPredictions:
    """name: the out, or the foreach stage whose outs are one model's seeds; rows: None where there are several."""

    name: str
    comparison: Comparison
    rows: ChangedRows | None


@dataclass(frozen=True)
class _Group:
    spec: PredictionsSpec
    paths: list[str]


def compared(
    revisions: RevisionReader, old: Revision, new: Revision, notes: list[str], *, same_rows: bool
) -> list[ComparedPredictions]:
    """A comparison for each declared table that both sides have; the others are told in `notes`.

    same_rows: the old model makes its predictions anew, of the new side's rows.
    """
    made, before = [], _groups(old)
    for name, group in _groups(new).items():
        paths = before.get(
            name, group
        ).paths  # a side from before the declaration has the same outs
        if not all(path in old.outs for path in paths):
            notes.append(
                f"{name}: {old.name} has no such predictions, so their metrics are not compared row by row"
            )
            continue
        try:
            a = _read(revisions, old, paths, group.spec)
            b = _read(revisions, new, group.paths, group.spec)
            if same_rows:
                again = (
                    on_new_rows(revisions, old, new, p, group.spec, _columns(group.spec))
                    for p in group.paths
                )
                a = [t if t is not None else own for t, own in zip(again, a, strict=True)]
            made.append(_compared(name, a, b, group.spec))
        except PipelineError as e:
            notes.append(f"{name}: not compared row by row: {e}")
    return made


def first_of(revision: Revision) -> str | None:
    """The name of the first predictions that dvc.yaml declares."""
    return next(iter(_groups(revision)), None)


def _compared(
    name: str, old: list[pa.Table], new: list[pa.Table], spec: PredictionsSpec
) -> ComparedPredictions:
    return ComparedPredictions(
        name,
        compare_metrics(old, new, spec),
        _rows(old[0], new[0], spec) if len(old) == len(new) == 1 else None,
    )


def _groups(revision: Revision) -> dict[str, _Group]:
    """Outs with declared predictions; those of one foreach stage are one group if they differ in the seed alone."""
    found: dict[str, _Group] = {}
    for record in revision.records.values():
        for path in record.outs:
            where, meta = revision.metas[path]
            spec = parse_meta(where, meta).predictions
            if spec is not None:
                name = record.group if spec.seeds else path
                found.setdefault(name, _Group(spec, [])).paths.append(path)
    return found


def _read(
    revisions: RevisionReader, revision: Revision, paths: Sequence[str], spec: PredictionsSpec
) -> list[pa.Table]:
    return [read_table(revisions.files(revision, path), path, _columns(spec)) for path in paths]


def _columns(spec: PredictionsSpec) -> list[str]:
    more = [c for c in (spec.group, spec.target, spec.prediction) if c is not None]
    return [*dict.fromkeys([spec.id, *(m.column for m in spec.metrics.values()), *more])]


def _rows(old: pa.Table, new: pa.Table, spec: PredictionsSpec) -> ChangedRows | None:
    """By the primary metric; rows that changed most come first, then by id. None where a side lacks its column."""
    metric = next(iter(spec.metrics.values()))
    if not all(metric.column in table.column_names for table in (old, new)):
        return None
    sides = [_renamed(table, spec, metric.column) for table in (old, new)]
    both = sides[0].join(sides[1], "id", right_suffix="_new", join_type="inner")
    change = pc.subtract(both["value_new"], both["value"])
    both = both.append_column("change", change)
    up, down = (both.filter(test(both["change"], 0)) for test in (pc.greater, pc.less))
    better, worse = (up, down) if metric.better is Direction.HIGHER else (down, up)
    return ChangedRows(better.num_rows, worse.num_rows, [*_top(better)], [*_top(worse)])


def _renamed(table: pa.Table, spec: PredictionsSpec, column: str) -> pa.Table:
    nothing = pa.nulls(table.num_rows, pa.string())
    return pa.table(
        {
            "id": _plain(table[spec.id]),
            "value": pc.cast(table[column], pa.float64()),
            "target": table[spec.target] if spec.target in table.column_names else nothing,
            "prediction": table[spec.prediction]
            if spec.prediction in table.column_names
            else nothing,
        }
    )


def _plain(ids: Any) -> Any:
    """Of one type on both sides, whatever the width: as `compare_metrics` pairs them."""
    return ids.cast(pa.int64() if pa.types.is_integer(ids.type) else pa.string())


def _top(rows: pa.Table) -> Iterator[ChangedRow]:
    size = pc.abs(rows["change"])
    ordered = rows.append_column("size", size).sort_by(
        [("size", "descending"), ("id", "ascending")]
    )
    for row in ordered.slice(0, SHOWN).to_pylist():
        yield ChangedRow(
            row["id"], row["target_new"], row["prediction"], row["prediction_new"], _short(row)
        )


def _short(row: Mapping[str, Any]) -> float:
    return float(f"{row['change']:.6g}")
