"""Finds which stages are to be run again, and with which values."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from reprise.dvc.history.revision import Revision, StageRecord, overlap
from reprise.dvc.settings import Replicates, parse_settings
from reprise.errors import PipelineError

DEFAULT_FILE = "params.yaml"


@dataclass(frozen=True)
class ReplicatedStage:
    """Holds a stage that declares replicates. Paths are relative to the root.

    file, key: the param that differs; targets: the stages that write the declared predictions,
    after it in the graph or itself; predictions: these outs; chain: it and all stages after it;
    inputs: the data that these read and none of them writes.
    """

    name: str
    file: str
    key: str
    spec: Replicates
    targets: list[str]
    predictions: list[str]
    chain: list[str]
    inputs: list[str]


def replicated_stages(revision: Revision) -> list[ReplicatedStage]:
    """Find the stages that declare replicates.

    Raises PipelineError where there is none, or one can't be run again.
    """
    found = []
    for record in revision.records.values():
        spec = None if record.source else parse_settings(_where(record), record.meta).replicates
        if spec is not None:
            found.append(_replicated(revision, record, spec))
    if not found:
        raise PipelineError(
            f"{revision.name}: found no stage with replicates; expected `meta: {{reprise: "
            "{replicates: {param: train.seed}}}` under the stage that trains"
        )
    return found


def replicated_as(revision: Revision, stages: Sequence[ReplicatedStage]) -> list[ReplicatedStage]:
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
        found.append(_replicated(revision, record, stage.spec))
    return found


def _where(record: StageRecord) -> str:
    return f"stage '{record.name}'"


def _replicated(revision: Revision, record: StageRecord, spec: Replicates) -> ReplicatedStage:
    where = f"{_where(record)}: meta.reprise.replicates"
    file, key = _param(where, record, spec)
    chain = _downstream(revision, record)
    written = {path: other.name for other in chain for path in other.outs}
    predictions = [path for path in written if _has_predictions(revision, path)]
    if not predictions:
        raise PipelineError(
            f"{where}: found no predictions after the stage; expected an out with "
            "`meta: {reprise: {predictions: …}}`"
        )
    targets = list(dict.fromkeys(written[path] for path in predictions))
    names = [other.name for other in chain]
    inputs = _inputs(revision, chain)
    return ReplicatedStage(record.name, file, key, spec, targets, predictions, names, inputs)


def _param(where: str, record: StageRecord, spec: Replicates) -> tuple[str, str]:
    """Return the file and the key of the param that differs."""
    file, _, key = spec.param.rpartition(":")
    path = os.path.normpath(os.path.join(record.wdir, file or DEFAULT_FILE))
    declared = record.params.get(path, {})
    if key not in declared:
        known = ", ".join(declared) or "none"
        raise PipelineError(
            f"{where}.param: found {spec.param}; expected a param that the stage declares, and "
            f"that dvc.lock has: {known}"
        )
    return path, key


def _downstream(revision: Revision, first: StageRecord) -> list[StageRecord]:
    """List the stage and those that read what it writes, at any distance."""
    chain = [first]
    for record in chain:  # it grows meanwhile
        for other in revision.records.values():
            if other not in chain and _reads(other, record):
                chain.append(other)
    return chain


def _inputs(revision: Revision, chain: Sequence[StageRecord]) -> list[str]:
    """List the tracked data that the stages read and none of them writes."""
    written = {path for record in chain for path in record.outs}
    read = {path for record in chain for path in record.deps} - written
    return sorted(path for path in read if _is_tracked(revision, path))


def _reads(reader: StageRecord, writer: StageRecord) -> bool:
    return any(overlap(dep, out) for dep in reader.deps for out in writer.outs)


def _has_predictions(revision: Revision, path: str) -> bool:
    _, meta = revision.metas[path]
    declared = meta.get("reprise") if isinstance(meta, dict) else None
    return isinstance(declared, dict) and "predictions" in declared


def _is_tracked(revision: Revision, path: str) -> bool:
    return any(map(partial(overlap, path), revision.outs))


def other_seeds(declared: object, runs: int) -> Iterator[int]:
    """Yield the seeds of the replicates: those after the declared one, which is the first run.

    Raises PipelineError for a declared value that is no whole number.
    """
    if not isinstance(declared, int) or isinstance(declared, bool):
        raise PipelineError(f"replicates: found the seed {declared!r}; expected a whole number")
    yield from range(declared + 1, declared + runs)
