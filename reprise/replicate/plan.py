"""Finds which stages are to be run again, and with which values."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from reprise.dvc.history.reader import RevisionReader
from reprise.dvc.history.revision import Revision, StageRecord, overlap
from reprise.dvc.history.templates import Param
from reprise.dvc.settings import Replicates, parse_settings
from reprise.errors import PipelineError


@dataclass(frozen=True)
class ReplicatedStage:
    """Holds a stage that declares replicates. Paths are relative to the root.

    file, key: the param that differs; targets: the stages that write the declared predictions,
    after it in the graph or itself; predictions: these outs; needed: all stages, and data, that
    the targets come from; chain: those from the stages that declare the param to the targets;
    inputs: the data that these read and none of them writes.
    """

    name: str
    file: str
    key: str
    spec: Replicates
    targets: list[str]
    predictions: list[str]
    needed: list[str]
    chain: list[str]
    inputs: list[str]


def replicated_stages(reader: RevisionReader, revision: Revision) -> list[ReplicatedStage]:
    """Find the stages that declare replicates.

    Raises PipelineError where there is none, or one can't be run again.
    """
    found = []
    for record in revision.records.values():
        spec = None
        if not record.source:
            spec = parse_settings(_where(record), record.meta).replicates
        if spec is not None:
            predictions = [path for path in revision.outs if _has_predictions(revision, path)]
            found.append(_replicated(reader, revision, record, spec, predictions))
    if not found:
        raise PipelineError(
            f"{revision.name}: found no stage with replicates; expected `meta: {{reprise: "
            "{replicates: {param: train.seed}}}` under the stage that trains"
        )
    _check_disjoint(found)
    return found


def _check_disjoint(stages: Sequence[ReplicatedStage]) -> None:
    """Raise PipelineError for predictions of which two stages vary the seed."""
    owners: dict[str, str] = {}
    for stage in stages:
        for path in stage.predictions:
            owner = owners.setdefault(path, stage.name)
            if owner != stage.name:
                raise PipelineError(
                    f"stage '{stage.name}': meta.reprise.replicates: found it before {path}, as "
                    f"that of stage '{owner}'; expected one stage whose seed varies"
                )


def replicated_as(
    reader: RevisionReader, revision: Revision, stages: Sequence[ReplicatedStage]
) -> list[ReplicatedStage]:
    """Find these stages in another revision, which need not have declared their replicates yet.

    Raises PipelineError where it lacks one.
    """
    found = []
    for stage in stages:
        record = revision.records.get(stage.name)
        if record is None:
            raise PipelineError(
                f"{revision.name}: found no stage '{stage.name}'; expected it on both sides, to run"
                " it again with other seeds"
            )
        found.append(_replicated(reader, revision, record, stage.spec, stage.predictions))
    return found


def _where(record: StageRecord) -> str:
    return f"stage '{record.name}'"


def _replicated(
    reader: RevisionReader,
    revision: Revision,
    record: StageRecord,
    spec: Replicates,
    declared: Sequence[str],
) -> ReplicatedStage:
    """Find what is to be run of the stage. declared: the outs with predictions, of any stage."""
    where = f"{_where(record)}: meta.reprise.replicates"
    file, key = _param(where, record, spec)
    written = {}
    for other in _reached(revision, [record], _reads):
        written.update(dict.fromkeys(other.outs, other))
    predictions = []
    for path in declared:
        if path in written:
            predictions.append(path)
    if not predictions:
        raise PipelineError(
            f"{revision.name}: {where}: found no predictions after the stage; expected an out with "
            "`meta: {reprise: {predictions: …}}`"
        )
    targets = {}
    for path in predictions:
        targets[written[path].name] = written[path]
    seeded = _seeded(reader, revision, (file, key))
    needed = _reached(revision, [*targets.values()], lambda one, other: _reads(other, one))
    chain = []
    for other in _reached(revision, seeded, _reads):
        if other in needed:
            chain.append(other)
    for other in needed:
        _check_outs(revision, other)
    for other in chain:
        _check_runs(revision, other)
    return ReplicatedStage(
        name=record.name,
        file=file,
        key=key,
        spec=spec,
        targets=list(targets),
        predictions=predictions,
        needed=[other.name for other in needed],
        chain=[other.name for other in chain],
        inputs=_inputs(revision, chain),
    )


def _check_outs(revision: Revision, record: StageRecord) -> None:
    """Raise PipelineError for an out that a training in a copy would write outside of the copy."""
    for path in record.outs:
        if path.startswith("../") or os.path.isabs(path):
            raise PipelineError(
                f"{revision.name}: {_where(record)}: found the out {path}; expected one in the"
                " repository: a copy of it would write to the same file"
            )


def _check_runs(revision: Revision, record: StageRecord) -> None:
    """Raise PipelineError for a stage that does not run, whatever the seed is."""
    if record.frozen:
        raise PipelineError(
            f"{revision.name}: {_where(record)}: found it frozen; expected a stage that runs with "
            "another seed, or comes after one, not to be: it would keep its outs"
        )


def _seeded(reader: RevisionReader, revision: Revision, param: Param) -> list[StageRecord]:
    """List the stages that declare the param, or have it in what dvc.yaml says of them."""
    file, key = param
    as_they_are = reader.resolve_templates(revision, [])
    named = reader.resolve_templates(revision, [param])
    seeded = []
    for name, record in revision.records.items():
        is_declared = key in record.params.get(file, {})
        if is_declared or as_they_are.get(name) != named.get(name):
            seeded.append(record)
    return seeded


def _param(where: str, record: StageRecord, spec: Replicates) -> tuple[str, str]:
    """Return the file and the key of the param that differs."""
    path, key = spec.locate(record.wdir)
    declared = record.params.get(path, {})
    if key not in declared:
        known = ", ".join(declared) or "none"
        raise PipelineError(
            f"{where}.param: found {spec.param}; expected a param that the stage declares, and "
            f"that dvc.lock has: {known}"
        )
    return path, key


def _reached(
    revision: Revision,
    first: Sequence[StageRecord],
    is_next: Callable[[StageRecord, StageRecord], bool],
) -> list[StageRecord]:
    """List the stages, and those that are next to them, at any distance."""
    found = [*first]
    for record in found:  # it grows meanwhile
        for other in revision.records.values():
            if other not in found and is_next(other, record):
                found.append(other)
    return found


def _inputs(revision: Revision, chain: Sequence[StageRecord]) -> list[str]:
    """List the tracked data that the stages read and none of them writes.

    That is outs, a part of one, or the outs in a folder beside what git has.
    """
    written = {path for record in chain for path in record.outs}
    inputs = set()
    for path in {path for record in chain for path in record.deps}:
        for out in filter(partial(overlap, path), revision.outs.keys() - written):
            inputs.add(max(path, out, key=len))
    return sorted(inputs)


def _reads(reader: StageRecord, writer: StageRecord) -> bool:
    return any(overlap(dep, out) for dep in reader.deps for out in writer.outs)


def _has_predictions(revision: Revision, path: str) -> bool:
    _, meta = revision.metas[path]
    declared = None
    if isinstance(meta, dict):
        declared = meta.get("reprise")
    return isinstance(declared, dict) and "predictions" in declared


def other_seeds(stage: ReplicatedStage, declared: object, runs: int) -> range:
    """Return the seeds of the replicates: those after the declared one, which is the first run.

    Raises PipelineError for a declared value that is no whole number.
    """
    if not isinstance(declared, int) or isinstance(declared, bool):
        raise PipelineError(
            f"{stage.file}: {stage.key}: found {declared!r}; expected a whole number: it is the "
            f"seed of stage '{stage.name}'"
        )
    return range(declared + 1, declared + runs)
