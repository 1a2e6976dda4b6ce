"""Finds the test rows whose features changed, where nothing but the data made that."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision, StageRecord
from reprise.review.data.changed_features import find_changed_features
from reprise.review.data.tables import is_table
from reprise.review.declared import TableSpec, parse_meta


def find_changed_test_rows(reader: RevisionReader, old: Revision, new: Revision, path: str) -> Any:
    """Find the ids of test rows of both sides whose features changed; None if nobody can say.

    That is where no dep of the predictions' stage is declared as the table of test rows, with ids;
    or where stages that made it ran with other commands, params or code: a changed preparation is
    the change itself. path: the out with the predictions. Raises PipelineError for a table that
    can't be read.
    """
    for record in new.records.values():
        if path not in record.outs:
            continue
        for dep in record.deps:
            spec = _test_table(new, dep)
            if spec is not None and dep in old.outs:
                return _compare(reader, old, new, dep, spec)
    return None


def _compare(
    reader: RevisionReader, old: Revision, new: Revision, path: str, spec: TableSpec
) -> Any:
    if old.hash_of(path) == new.hash_of(path) or not _is_prepared_alike(old, new, path):
        return None
    return find_changed_features(reader.files(old, path), reader.files(new, path), spec, path)


def _test_table(revision: Revision, path: str) -> TableSpec | None:
    """Return what the out declares of itself as the table of test rows; None if it does not."""
    if path not in revision.metas:
        return None
    where, meta = revision.metas[path]
    table = parse_meta(where, meta).table
    if table is None or table.split != "test" or table.id is None:
        return None
    return table


def _is_prepared_alike(old: Revision, new: Revision, path: str) -> bool:
    """Tell whether all stages that made the out ran alike but for data, on both sides."""
    for record in _makers(new, path):
        before = old.records.get(record.name)
        if before is None or _recipe(old, before) != _recipe(new, record):
            return False
    return True


def _makers(revision: Revision, path: str) -> list[StageRecord]:
    """List the stages that the out is made by, at any distance."""
    paths = [path]
    makers: list[StageRecord] = []
    for needed in paths:  # it grows meanwhile
        for record in revision.records.values():
            if record not in makers and any(_overlap(needed, out) for out in record.outs):
                makers.append(record)
                paths += record.deps
    return makers


def _recipe(revision: Revision, record: StageRecord) -> object:
    """Return what a stage ran with but its data: command, params and code."""
    return record.command, record.params, dict(_code(revision, record))


def _code(revision: Revision, record: StageRecord) -> Iterator[tuple[str, str | None]]:
    """Yield the deps that are no data: neither an out of the pipeline, nor a table."""
    if record.source:
        return
    for path, value in record.deps.items():
        is_out = any(_overlap(path, out) for out in revision.outs)
        if not is_out and not is_table([PurePosixPath(path).name]):
            yield path, value


def _overlap(one: str, other: str) -> bool:
    """Tell whether two paths are one, or one lies in the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
