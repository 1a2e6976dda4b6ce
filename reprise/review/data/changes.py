"""Finds the tables that changed between two revisions, and compares their versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision
from reprise.errors import PipelineError
from reprise.review.change_state import ChangeState, change_state
from reprise.review.data.database import Files
from reprise.review.data.moved_ids import MovedIds, find_moved_ids
from reprise.review.data.table_diff import TableDiff, diff_tables
from reprise.review.data.tables import is_table
from reprise.review.declared import TableSpec, parse_meta

Hashes = dict[str, str | None]  # of deps and outs, by path


@dataclass(frozen=True)
class DataChange:
    """Holds a table among deps and outs that changed.

    diff: None for a table that is new or gone, or could not be read; note: why it could not.
    """

    path: str
    kind: ChangeState
    diff: TableDiff | None
    note: str | None = None


@dataclass(frozen=True)
class _Version:
    """Holds one revision with the hashes of its data."""

    revision: Revision
    hashes: Hashes


@dataclass(frozen=True)
class _Split:
    """Holds the out that one split of the data is, and the id column that it declares."""

    path: str
    id_column: str


def find_data_changes(
    reader: RevisionReader, old: Revision, new: Revision, plotted: set[str], notes: list[str]
) -> tuple[list[DataChange], list[MovedIds]]:
    """Return the tables that changed, and the ids that moved between the declared splits.

    plotted: files that plots read, which are no data. What could not be read is told by the change,
    or in `notes`.
    """
    old_version = _Version(old, _data_hashes(old))
    new_version = _Version(new, _data_hashes(new))
    no_data = {*plotted, *_result_files(old), *_result_files(new)}
    changes = []
    for path in dict.fromkeys([*old_version.hashes, *new_version.hashes]):
        if old_version.hashes.get(path) == new_version.hashes.get(path):
            continue
        folder = f"{path}/"
        if any(f"{file}/".startswith(folder) for file in no_data):
            continue  # it is one of these files, or a folder around one
        change = _compare_versions(reader, old_version, new_version, path)
        if change is not None:
            changes.append(change)
    return changes, _find_moved(reader, old, new, notes)


def _data_hashes(revision: Revision) -> Hashes:
    """Return the hashes of all outs, and of the deps that are neither an out nor inside one."""
    hashes: Hashes = {}
    for record in revision.records.values():
        hashes |= record.outs
        if record.source:
            continue  # of an import, whose out has the same bytes
        for path, value in record.deps.items():
            folders = map(str, PurePosixPath(path).parents)
            if revision.outs.keys().isdisjoint({path, *folders}):
                hashes[path] = value
    return hashes


def _result_files(revision: Revision) -> list[str]:
    """List the files of metrics and predictions, which the report compares elsewhere."""
    files = list(revision.metrics)
    for path, (where, meta) in revision.metas.items():
        if parse_meta(where, meta).predictions is not None:
            files.append(path)
    return files


def _compare_versions(
    reader: RevisionReader, old: _Version, new: _Version, path: str
) -> DataChange | None:
    """Compare the data of one path.

    None for what is no table on either side, unless no stage tells of it either.
    """
    state = change_state(in_old=path in old.hashes, in_new=path in new.hashes)
    spec = _table_spec(old.revision, new.revision, path)
    versions = [version for version in (old, new) if path in version.hashes]
    try:
        others = [version for version in versions if not _is_table(reader, version, path)]
        if len(others) == len(versions):
            tracked = any(_is_tracked_alone(version.revision, path) for version in versions)
            if tracked:
                return DataChange(path, state, None)
            return None
        if others:
            return DataChange(path, state, None, f"no table in {others[0].revision.name}")
        if state is not ChangeState.CHANGED:
            return DataChange(path, state, None)
        old_files = reader.files(old.revision, path)
        new_files = reader.files(new.revision, path)
        return DataChange(path, state, diff_tables(old_files, new_files, spec, path))
    except PipelineError as e:
        return DataChange(path, state, None, str(e))


def _is_tracked_alone(revision: Revision, path: str) -> bool:
    """Tell whether a .dvc file has the path: no stage makes it."""
    return any(record.source and path in record.outs for record in revision.records.values())


def _table_spec(old: Revision, new: Revision, path: str) -> TableSpec:
    """Return what the out declares of itself as a table, on the new side if it is there."""
    for revision in (new, old):
        if path in revision.metas:
            where, meta = revision.metas[path]
            return parse_meta(where, meta).table or TableSpec()
    return TableSpec()


def _is_table(reader: RevisionReader, version: _Version, path: str) -> bool:
    """Tell by its name whether a file is a table, so that no model is fetched for it.

    A folder is judged by the names of its files.
    """
    value = version.hashes[path]
    if value is None or not value.endswith(".dir"):
        return is_table([Path(path).name])
    names = reader.names(version.revision, path)
    if names is None:
        names = reader.files(version.revision, path)
    return is_table(names)


def _find_moved(
    reader: RevisionReader, old: Revision, new: Revision, notes: list[str]
) -> list[MovedIds]:
    """Find the ids that moved between the declared splits, if one of these changed."""
    old_splits = _declared_splits(old)
    new_splits = _declared_splits(new)
    changed = [
        split for split in new_splits.values() if old.hash_of(split.path) != new.hash_of(split.path)
    ]
    if not old_splits or not changed:
        return []
    id_column = next(iter(new_splits.values())).id_column
    try:
        old_files = _split_files(reader, old, old_splits)
        new_files = _split_files(reader, new, new_splits)
        return find_moved_ids(old_files, new_files, id_column, "splits")
    except PipelineError as e:
        notes.append(f"ids that moved between splits were not looked for: {e}")
        return []


def _split_files(
    reader: RevisionReader, revision: Revision, splits: Mapping[str, _Split]
) -> dict[str, Files]:
    """Return the files of each split, fetched where neither workspace nor cache has them."""
    return {name: reader.files(revision, split.path) for name, split in splits.items()}


def _declared_splits(revision: Revision) -> dict[str, _Split]:
    """Return the outs that declare which split they are, by its name."""
    splits: dict[str, _Split] = {}
    for path, (where, meta) in revision.metas.items():
        match parse_meta(where, meta).table:
            case TableSpec(split=str(split), id=str(id_column)):
                splits[split] = _Split(path, id_column)
    return splits
