"""Which tables changed between two revisions, and how."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision
from reprise.errors import PipelineError
from reprise.review.change_state import ChangeState, change_state
from reprise.review.data.moved_ids import MovedIds, find_moved_ids
from reprise.review.data.table_diff import TableDiff, diff
from reprise.review.data.tables import Files, is_table
from reprise.review.declared import TableSpec, parse_meta

Hashes = dict[str, str | None]  # of deps and outs, by path


@dataclass(frozen=True)
class DataChange:
    """A dep or out that is a table, or of which only the hash is known. note: why there is no diff."""

    path: str
    kind: ChangeState
    diff: TableDiff | None
    note: str | None = None


def data_changes(
    revisions: RevisionReader, old: Revision, new: Revision, plotted: set[str], notes: list[str]
) -> tuple[list[DataChange], list[MovedIds]]:
    """Changed tables among deps and outs; and ids that moved between splits, where outs say their split.

    plotted: files that plots read, which are no data. What could not be read is told by the change, and in `notes`.
    """
    made = []
    before, after = _hashes(old), _hashes(new)
    no_data = {*old.metrics, *new.metrics, *_predictions(old), *_predictions(new), *plotted}
    for path in dict.fromkeys([*before, *after]):
        if before.get(path) == after.get(path) or any(
            f == path or f.startswith(f"{path}/") for f in no_data
        ):
            continue
        change = _change(revisions, [(old, before), (new, after)], path)
        if change is not None:
            made.append(change)
    return made, _moved(revisions, old, new, notes)


def _hashes(revision: Revision) -> Hashes:
    """Of all outs, and of the deps that no stage makes, nor a folder that one makes."""
    found: Hashes = {}
    for record in revision.records.values():
        found |= record.outs
        made = (
            p
            for p in record.deps
            if not {p, *map(str, PurePosixPath(p).parents)} & revision.outs.keys()
        )
        found |= {p: record.deps[p] for p in made}
    return found


def _predictions(revision: Revision) -> list[str]:
    return [
        path for path, meta in revision.metas.items() if parse_meta(*meta).predictions is not None
    ]


def _table(old: Revision, new: Revision, path: str) -> TableSpec | None:
    """What the out says of itself, on the new side if it is there."""
    for revision in (new, old):
        if path in revision.metas:
            return parse_meta(*revision.metas[path]).table
    return None


def _change(
    revisions: RevisionReader, both: Sequence[tuple[Revision, Hashes]], path: str
) -> DataChange | None:
    """None for what is no table. both: old and new, each with its hashes."""
    (old, before), (new, after) = both
    kind = change_state(in_old=path in before, in_new=path in after)
    spec = _table(old, new, path)
    try:
        having, value = (
            [r for r, hashes in both if path in hashes],
            before.get(path) or after.get(path),
        )
        if not all(_is_table(revisions, r, path, value) for r in having):
            return None
        if kind is not ChangeState.CHANGED:
            return DataChange(path, kind, None)
        sides = [revisions.files(r, path) for r in having]
        return DataChange(path, kind, diff(sides[0], sides[1], spec or TableSpec(), path))
    except PipelineError as e:
        return DataChange(path, kind, None, str(e))


def _is_table(revisions: RevisionReader, revision: Revision, path: str, value: str | None) -> bool:
    """By name, so that no model is fetched to find that it is none; of a folder its files tell. value: its hash."""
    if not (value or "").endswith(".dir"):
        return is_table([Path(path).name])
    names = revisions.names(revision, path)
    return is_table(revisions.files(revision, path) if names is None else names)


def _moved(
    revisions: RevisionReader, old: Revision, new: Revision, notes: list[str]
) -> list[MovedIds]:
    sides = [dict(_splits(revision)) for revision in (old, new)]
    spec = next((table for _, (_, table) in sides[1].items()), None)
    if spec is None or not sides[0] or all(_same(old, new, path) for path, _ in sides[1].values()):
        return []
    try:
        files: list[Mapping[str, Files]] = [
            {split: revisions.files(revision, path) for split, (path, _) in side.items()}
            for revision, side in zip((old, new), sides, strict=True)
        ]
        assert spec.id is not None
        return find_moved_ids(files[0], files[1], spec.id, "splits")
    except PipelineError as e:
        notes.append(f"ids that moved between splits were not looked for: {e}")
        return []


def _splits(revision: Revision) -> Iterator[tuple[str, tuple[str, TableSpec]]]:
    for path, (where, meta) in revision.metas.items():
        table = parse_meta(where, meta).table
        if table is not None and table.split is not None and table.id is not None:
            yield table.split, (path, table)


def _same(old: Revision, new: Revision, path: str) -> bool:
    return old.hash_of(path) == new.hash_of(path)
