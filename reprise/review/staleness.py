"""Finds out whether the working tree is what DVC recorded, and which commands mend it."""

import shlex
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace

from reprise.dvc.history.revision import Revision, StageRecord
from reprise.errors import PipelineError
from reprise.shorten import shorten

RUN = "reprise run"


@dataclass(frozen=True)
class Staleness:
    """Says what of the working tree is not as recorded: its numbers may not belong together.

    what: a sentence without its full stop; command: what mends it, one or several in their order.
    """

    what: str
    command: str


def find_staleness(revision: Revision) -> Staleness | None:
    """Find outs that are not as recorded, or else stages that have not run since a change.

    None for a revision that is as recorded; a commit always is.
    """
    if revision.modified:
        files = shorten(list(revision.modified), 3)
        what = f"not what dvc.lock and the .dvc files say: {files}"
        return Staleness(what, " && ".join(_mend_files(revision)))
    stages = [record.name for record in stale_records(revision)]
    if stages:
        what = f"stale: something changed since {shorten(stages, 3)} ran"
        return Staleness(what, RUN)
    return None


def check_as_recorded(revision: Revision, names: Iterable[str]) -> None:
    """Raise PipelineError unless these stages and their data are as recorded."""
    records = {name: revision.records[name] for name in names}
    modified = {}
    for record in records.values():
        if record.command is None and not record.source:
            raise PipelineError(
                f"{revision.name}: stage '{record.name}' has never run; first `{RUN}`"
            )
        modified.update(
            {path: revision.modified[path] for path in record.outs if path in revision.modified}
        )
    stale = find_staleness(replace(revision, records=records, modified=modified))
    if stale is not None:
        raise PipelineError(f"{revision.name} is {stale.what}; first `{stale.command}`")


def stale_records(revision: Revision) -> list[StageRecord]:
    """List the stages that have run, and not since something changed."""
    records = []
    for record in revision.records.values():
        if record.stale and record.command is not None:
            records.append(record)
    return records


def _mend_files(revision: Revision) -> list[str]:
    """List the commands that mend files which are not as recorded.

    Versions that DVC's cache has are those of another revision; others are edits: of data, which
    are added, or of what stages write, which are run again.
    """
    checked_out = {path for path, is_cached in revision.modified.items() if is_cached}
    edits = revision.modified.keys() - checked_out
    added = edits & revision.source_outs
    commands = []
    if checked_out and edits:
        commands.append(shlex.join(["dvc", "checkout", *sorted(checked_out)]))
    elif checked_out:
        commands.append("dvc checkout")
    if added:
        commands.append(shlex.join(["dvc", "add", *sorted(added)]))
    if edits - added or _has_stale_stages(revision, checked_out):
        commands.append(RUN)
    return commands


def _has_stale_stages(revision: Revision, checked_out: Set[str]) -> bool:
    """Tell whether stages are stale by more than the outs that a checkout brings back."""
    return any(set(record.stale) - checked_out for record in stale_records(revision))
