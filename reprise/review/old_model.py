"""The old model on the new rows: the stage that makes predictions, run run_isolated with the old side's model."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from reprise.dvc import Repository, Stage
from reprise.dvc.history.out_files import Files, files_at
from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision, StageRecord
from reprise.errors import PipelineError
from reprise.review.data.tables import read_table
from reprise.review.declared import PredictionsSpec
from reprise.sandbox.isolated import isolated_folder, run_isolated
from reprise.sandbox.sandbox import Sandbox


def on_new_rows(
    revisions: RevisionReader,
    old: Revision,
    new: Revision,
    path: str,
    spec: PredictionsSpec,
    columns: Sequence[str],
) -> pa.TableSpec | None:
    """The predictions of the old model; None when the old side's own are of the same inputs already.

    `new` is the working tree. Raises PipelineError when no model is declared, and when the command fails with it.
    """
    record = next(r for r in new.records.values() if path in r.outs)
    models = [os.path.normpath(os.path.join(record.wdir, model)) for model in spec.model]
    if not models or not set(models) <= record.deps.keys():
        where, _ = new.metas[path]
        raise PipelineError(
            f"{where}: predictions.model: found {spec.model}; expected deps of its stage"
        )
    before = old.records.get(record.name)
    if before is not None and _inputs(before, models) == _inputs(record, models):
        return None
    instead = {revisions.root / model: revisions.files(old, model) for model in models}
    return _run(revisions.root / path, path, instead, columns)


def _inputs(record: StageRecord, models: Sequence[str]) -> object:
    return record.command, record.params, {p: h for p, h in record.deps.items() if p not in models}


def _run(out: Path, path: str, instead: Mapping[Path, Files], columns: Sequence[str]) -> pa.Table:
    repository = Repository()
    stage: Stage = repository.steps([str(out)], single_item=True)[0]
    sandbox = Sandbox(stage, isolated_folder(stage), instead=instead)
    with run_isolated(sandbox) as ran:
        if ran.error is not None:
            last = ran.output.strip().splitlines()[-1:] or [""]
            raise PipelineError(f"stage '{stage.name}' with the old model: {ran.error}: {last[0]}")
        return read_table(files_at(sandbox.inside(out)), path, columns)
