"""Finds the test rows whose features changed, where nothing but the data made that."""

from typing import Any

import pyarrow as pa

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision
from reprise.review.data.changed_features import find_changed_features
from reprise.review.declared import parse_meta
from reprise.review.recipe import recipe_of


def find_changed_test_rows(reader: RevisionReader, old: Revision, new: Revision, path: str) -> Any:
    """Find the ids of test rows of both sides whose features changed; none if nobody can say.

    That is where no dep of the predictions' stage is declared as the table of test rows, with ids;
    or where stages that made it ran with other commands, params or code: a changed preparation is
    the change itself. path: the out with the predictions. Raises PipelineError for a table that
    can't be read.
    """
    for record in new.stages_that_write(path):
        for dep in sorted(new.metas.keys() & old.outs.keys() & record.deps.keys()):
            spec = parse_meta(*new.metas[dep]).table
            if spec is None or not spec.is_of_test_rows:
                continue
            if old.hash_of(dep) != new.hash_of(dep) and _is_prepared_alike(reader, old, new, dep):
                before, after = reader.files(old, dep), reader.files(new, dep)
                return find_changed_features(before, after, spec, dep)
    return pa.array([], pa.string())


def _is_prepared_alike(reader: RevisionReader, old: Revision, new: Revision, path: str) -> bool:
    """Tell whether all stages that made the out ran alike but for data, on both sides."""
    before, after = recipe_of(reader, old, set()), recipe_of(reader, new, set())
    return all(before.get(name) == after[name] for name in _makers(new, path))


def _makers(revision: Revision, path: str) -> list[str]:
    """Name the stages that the out is made by, at any distance."""
    paths = [path]
    makers: dict[str, None] = {}
    for needed in paths:  # it grows meanwhile
        for record in revision.stages_that_write(needed):
            if record.name not in makers:
                makers[record.name] = None
                paths += record.deps
    return [*makers]
