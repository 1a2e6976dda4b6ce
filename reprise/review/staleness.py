"""Finds out whether the working tree is what DVC recorded, and which command mends it."""

import shlex
from dataclasses import dataclass

from reprise.dvc.history.revision import Revision, StageRecord
from reprise.shorten import shorten


@dataclass(frozen=True)
class Staleness:
    """Says what of the working tree is not as recorded: its numbers may not belong together.

    what: a sentence without its full stop; command: what mends it.
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
        return Staleness(what, _mend_files(revision))
    stages = [record.name for record in stale_records(revision)]
    if stages:
        what = f"stale: something changed since {shorten(stages, 3)} ran"
        return Staleness(what, "reprise run")
    return None


def stale_records(revision: Revision) -> list[StageRecord]:
    """List the stages that have run, and not since something changed."""
    records = []
    for record in revision.records.values():
        if record.stale and record.command is not None:
            records.append(record)
    return records


def _mend_files(revision: Revision) -> str:
    """Name the command that mends files which are not as recorded.

    Versions that DVC's cache has are those of another revision; others are edits.
    """
    edits = {path for path, is_cached in revision.modified.items() if not is_cached}
    added = set[str]()
    for record in revision.records.values():
        if record.source:
            added.update(record.outs)
    if not edits:
        return "dvc checkout"
    if edits <= added:
        return shlex.join(["dvc", "add", *sorted(edits)])
    return "reprise run"
