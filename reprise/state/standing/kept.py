"""Hold what is kept of a plan, and write and read it."""

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprise.checked_json import read_checked, write_checked
from reprise.dvc.recorded.stage_record import StageRecord
from reprise.dvc.workspace import Inventory
from reprise.state.trace.answer import STANDING, Looks, Question
from reprise.state.trace.signature import Signature

# Options by which a stage may be unchanged, or not, whatever its files are.
DECIDING = ("force", "force_downstream", "allow_missing", "no_run_cache", "single_item")


@dataclass
class Kept:
    """Holds what is kept of a plan.

    records: the stages in plan order; stands: whether each was unchanged. inventory: whose the
    files are. objects: the folder of the cache's objects. looked, listed: the signatures of all
    paths that decided the plan. walks: of the folders that DVC looked through for stages, digests
    of the names that count there. contents: digests of files that decide more than single stages.
    values: digests of the values of params files, by file and key.
    """

    records: list[StageRecord]
    stands: list[bool]
    inventory: Inventory
    objects: str
    looked: dict[str, Signature] = field(default_factory=dict)
    listed: dict[str, Signature] = field(default_factory=dict)
    walks: dict[str, int] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)

    def keys_of(self, path: str) -> list[str]:
        """List the keys of a params file that stages declare."""
        keys: set[str] = set()
        for record in self.records:
            keys.update(record.params.get(path, ()))
        return sorted(keys)


def is_of_use(question: Question) -> bool:
    """Tell whether what is found of the stages may be kept: their files alone decide about them."""
    return not any(map(question["options"].get, DECIDING))


def write_kept(kept: Kept, looks: Looks, question: Question) -> None:
    """Write what is kept, in place of what was kept before; nothing if JSON has no form for it."""
    # `asdict` would copy every value of every record.
    document = {
        **vars(kept),
        "records": [vars(record) for record in kept.records],
        "inventory": vars(kept.inventory),
    }
    written = {"question": question, "time": looks.start, "kept": document}
    with suppress(TypeError, ValueError):
        write_checked(looks.folder / STANDING, written)


def read_kept(folder: Path, question: Question) -> Kept | None:
    """Read what is kept of the plan that answered this very question; None for nothing."""
    match read_checked(folder / STANDING):
        case {"question": asked, "time": int(kept), "kept": dict(document)} if asked == question:
            if kept <= time.time_ns():
                return _from_document(document)
    return None


def _from_document(document: Mapping[str, Any]) -> Kept | None:
    """Make of a document what it was written from; None where it is of another version."""
    try:
        records = [StageRecord(**record) for record in document["records"]]
        inventory = Inventory(**document["inventory"])
        return Kept(**{**document, "records": records, "inventory": inventory})
    except (KeyError, TypeError):
        return None


def digest_file(path: str) -> str | None:
    """Return the SHA-256 of a file's content; None where it is none, or can't be read."""
    if not os.path.isfile(path):
        return None
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None
