"""Lets the old model predict the new rows: runs the stage that predicts, with the old model."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from reprise.dvc import Repository, Selection, Stage
from reprise.dvc.history.out_files import Files
from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision, StageRecord
from reprise.errors import PipelineError
from reprise.review.data.tables import read_table
from reprise.review.declared import PredictionsSpec
from reprise.review.kept_predictions import KeptPredictions
from reprise.sandbox.choice import make_sandbox
from reprise.sandbox.isolated import isolated_folder, run_isolated
from reprise.sandbox.sandbox import Contents
from reprise.state.folders import StateFolders


def predict_new_rows(
    revisions: RevisionReader,
    old: Revision,
    new: Revision,
    path: str,
    spec: PredictionsSpec,
    columns: Sequence[str],
) -> pa.Table | None:
    """Return the old model's predictions of the new rows.

    None when the old revision's own predictions are of the same inputs already.

    new: the working tree; path: the out with the predictions; columns: those to read of it. Raises
    PipelineError when no model is declared, and when the stage's command fails with the old one.
    """
    record = new.stages_that_write(path)[0]
    models = [os.path.normpath(os.path.join(record.wdir, model)) for model in spec.model]
    if not models or not set(models) <= record.deps.keys():
        where, _ = new.metas[path]
        raise PipelineError(
            f"{where}: predictions.model: found {spec.model}; expected deps of its stage"
        )
    old_record = old.records.get(record.name)
    if old_record is not None and _inputs(old_record, models) == _inputs(record, models):
        return None
    replacements = {revisions.root / model: revisions.files(old, model) for model in models}
    for dep in record.deps.keys() & new.outs.keys() - {*models}:
        if not (revisions.root / dep).exists():  # as in a fresh clone
            replacements[revisions.root / dep] = revisions.files(new, dep)
    hashes = {model: old.hash_of(model) for model in models}
    digest = _digest(record, path, hashes)
    kept = KeptPredictions(StateFolders(revisions.records), digest, os.path.basename(path))
    files = None
    if None not in hashes.values():
        files = kept.find()
    if files is None:
        files = _run_stage(revisions.root / path, replacements, kept)
    return read_table(files, path, columns, spec.metric_columns)


def _digest(record: StageRecord, path: str, models: Mapping[str, str | None]) -> str:
    """Compute a digest of all that decides the predictions. models: the hashes of the old ones."""
    inputs = [path, record.command, record.params, {**record.deps, **models}]
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _inputs(record: StageRecord, models: Sequence[str]) -> object:
    """Return all that decides a stage's outs but the model."""
    deps = {path: value for path, value in record.deps.items() if path not in models}
    return record.command, record.params, deps


def _run_stage(out: Path, replacements: Mapping[Path, Files], kept: KeptPredictions) -> Files:
    """Run the stage in a sandbox with the old models, and keep what it wrote: these files.

    replacements: the files of deps that are not those of the working tree.
    """
    with Repository() as repository:
        stage: Stage = repository.collect_stages([str(out)], Selection(single_item=True))[0]
        sandbox = make_sandbox(stage, isolated_folder(stage), Contents(replacements=replacements))
        with run_isolated(sandbox) as result:
            if result.error is not None:
                lines = result.output.strip().splitlines()
                last_line = ""
                if lines:
                    last_line = lines[-1]
                raise PipelineError(
                    f"stage '{stage.name}' with the old model: {result.error}: {last_line}"
                )
            return kept.keep(sandbox.written(out))
