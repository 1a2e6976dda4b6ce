"""Keep what a plan found of each stage, and find the next time which of that still stands.

Where all that moved are files that some stages read or write, params of some, or their entries in
dvc.lock, only those stages are asked about again; all others stand as they were recorded.
"""

import hashlib
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reprise.checked_json import read_checked, write_checked
from reprise.dvc import DVC_ERRORS, Repository, Stage
from reprise.dvc.recorded.loader import RecordLoader, declared_keys, lock_of
from reprise.dvc.recorded.recorded_stage import RecordedStage
from reprise.dvc.recorded.stage_record import StageRecord, record_stage
from reprise.dvc.workspace import Inventory
from reprise.errors import PipelineError
from reprise.state.trace.answer import (
    STANDING,
    Looks,
    Question,
    find_folder,
    has_left_work,
)
from reprise.state.trace.signature import LENGTH_OF_FILE, Look, Signature, sign_walk

# Options by which a stage may be unchanged, or not, whatever its files are.
DECIDING = ("force", "force_downstream", "allow_missing", "no_run_cache", "single_item")
OWN = (".dvc/", ".git/")  # folders of the repository that DVC does not look through for stages
LARGEST = 2**26  # bytes of a file of which a digest is kept


@dataclass
class _Kept:
    """Holds what is kept of a plan.

    looked, listed: the signatures of all paths that decided it. walks: of the folders that DVC
    looked through for stages, digests of the names that count there. contents: digests of files
    that decide more than single stages. values: digests of the declared values, by params file
    and key. records: the stages in plan order; stands: whether each was unchanged.
    objects: the folder of the cache's objects.
    """

    looked: dict[str, Signature]
    listed: dict[str, Signature]
    walks: dict[str, int]
    contents: dict[str, str]
    values: dict[str, dict[str, str]]
    has_templates: bool
    records: list[StageRecord]
    stands: list[bool]
    inventory: Inventory
    objects: str


@dataclass
class Standing:
    """Holds which stages of an earlier plan stand.

    awake: positions of those that do not. moved: paths of params files and lock files with another
    content. seen: how each path stood that a stage reads or writes, by the stage's position.
    is_taken: whether stages were taken as they stand. told: of which stages it was told so.
    """

    kept: _Kept
    seen: list[dict[str, Signature]]
    awake: set[int] = field(default_factory=set)
    is_taken: bool = False
    told: set[int] = field(default_factory=set)
    moved: list[str] = field(default_factory=list)

    def take_stages(self, repository: Repository) -> list[Stage] | None:
        """Take the stages as they stand; None where all have to be asked about."""
        try:
            if not all(self._find_moved(repository.loader, path) for path in self.moved):
                return None
            stages = repository.recorded_stages(
                self.kept.records, self.awake, self.kept.inventory, self.is_unmoved
            )
        except (PipelineError, *DVC_ERRORS):
            return None  # DVC says what is wrong when it is asked about all
        self.is_taken = True
        return stages

    def _find_moved(self, loader: RecordLoader, path: str) -> bool:
        """Wake the stages whose part of a file is another; tell whether it has only such parts."""
        is_found = False
        if path in self.kept.values:
            if self.kept.has_templates:
                return False
            self._wake_params(loader, path)
            is_found = True
        for declared_in in {record.declared_in for record in self.kept.records}:
            if lock_of(declared_in) == path:
                self._wake_entries(loader, declared_in)
                is_found = True
        return is_found

    def _wake_params(self, loader: RecordLoader, path: str) -> None:
        before = self.kept.values[path]
        now = loader.digest_params(path, before)
        for position, record in enumerate(self.kept.records):
            if path in record.params:
                keys = declared_keys(record, path)
                if any(before.get(key) != now.get(key) for key in keys):
                    self.awake.add(position)

    def _wake_entries(self, loader: RecordLoader, declared_in: str) -> None:
        now = loader.digest_entries(declared_in)
        for position, record in enumerate(self.kept.records):
            if record.declared_in == declared_in and record.entry != now.get(record.key[1]):
                self.awake.add(position)

    def before(self, looks: Looks) -> Looks:
        """Return the looks, with those at all that was not looked at again."""
        return replace(
            looks,
            looked={**self.kept.looked, **looks.looked},
            listed={**self.kept.listed, **looks.listed},
        )

    def is_unmoved(self, position: int) -> bool:
        """Tell whether no file that the stage at the position reads or writes has moved.

        A plan, which asks first, is told what was seen just before it.
        """
        if position not in self.told:
            self.told.add(position)
            return True
        return all(
            Look(path).signature == signature for path, signature in self.seen[position].items()
        )


class _Owners:
    """Finds the stages that a path belongs to: it is an out or a dep of theirs, or lies in one."""

    def __init__(self, records: Sequence[StageRecord]) -> None:
        self._of: dict[str, list[int]] = {}
        self._declaring: dict[str, list[int]] = {}
        for position, record in enumerate(records):
            for path in (*record.deps, *record.outs):
                self._of.setdefault(path, []).append(position)
            for path in record.params:
                self._declaring.setdefault(path, []).append(position)

    def declaring(self, path: str) -> Sequence[int]:
        """List the positions of the stages of which the path is a params file."""
        return self._declaring.get(path, ())

    def find(self, path: str) -> list[int]:
        """List the positions of the stages."""
        found: list[int] = []
        while True:
            found += self._of.get(path, ())
            above = os.path.dirname(path)
            if above == path:
                return found
            path = above


def recall_standing(question: Question) -> Standing | None:
    """Find what still stands of the plan that answered this very question; None for nothing."""
    folder = find_folder()
    options = question["options"]
    if folder is None or has_left_work(folder) or any(map(options.get, DECIDING)):
        return None
    kept = _read(folder / STANDING, question)
    if kept is None:
        return None
    standing = Standing(kept, [{} for _ in kept.records])
    standing.awake.update(number for number, stands in enumerate(kept.stands) if not stands)
    owners = _Owners(kept.records)
    is_known = all(_look(standing, owners, path) for path in [*kept.looked])
    if not is_known or not all(_look_into(standing, owners, path) for path in [*kept.listed]):
        return None
    return standing


def _look(standing: Standing, owners: _Owners, path: str) -> bool:
    """Look at a path, and wake the stages that it is of; tell whether it is of no others."""
    kept, of, look = standing.kept, owners.find(path), Look(path)
    for position in (*of, *owners.declaring(path)):
        standing.seen[position][path] = look.signature
    if look.signature == kept.looked[path]:
        return True
    if path.startswith(kept.objects) and _is_same_object(look.signature, kept.looked[path]):
        return True
    standing.awake.update(of)
    if path in kept.contents:
        if digest_file(path) != kept.contents[path]:
            standing.moved.append(path)
        elif not look.may_be_written_since(time.time_ns()):
            kept.looked[path] = look.signature
        return True
    kept.looked.pop(path)  # it is looked at again with its stages
    return bool(of)


def _is_same_object(now: Signature, before: Signature) -> bool:
    """Tell whether an object of the cache is the same to DVC, which links and protects objects.

    That leaves another time of the last change to the inode, which stands last.
    """
    return len(now) == len(before) == LENGTH_OF_FILE and now[:-1] == before[:-1]


def _look_into(standing: Standing, owners: _Owners, path: str) -> bool:
    """Look at the names in a folder, as `_look` does at a path."""
    kept, of, look = standing.kept, owners.find(path), Look(path, listed=True)
    if look.signature == kept.listed[path]:
        return True
    standing.awake.update(of)
    if path in kept.walks:
        if not look.may_be_written_since(time.time_ns()):
            kept.listed[path] = look.signature
        return sign_walk(path) == kept.walks[path]
    kept.listed.pop(path)
    return bool(of)


def keep_standing(
    question: Question,
    looks: Looks,
    repository: Repository,
    stages: Sequence[Stage],
    unchanged: Sequence[bool],
    before: Standing | None,
) -> None:
    """Keep what was found of the stages, if nothing that decides more may be written meanwhile.

    looks: at all that decided it. unchanged: whether each stage was. before: what the stages were
    taken from; None where DVC was asked about all.
    """
    if any(map(question["options"].get, DECIDING)):
        return
    with suppress(PipelineError, *DVC_ERRORS):
        kept = _Keeping(looks, repository, before).keep(stages, unchanged)
        if kept is not None:
            document = {"question": question, "time": looks.start, "kept": _to_json(kept)}
            write_checked(looks.folder / STANDING, document)


class _Keeping:
    """Records stages, with the signatures and contents by which they stand."""

    def __init__(self, looks: Looks, repository: Repository, before: Standing | None) -> None:
        self._looks = looks
        self._repository = repository
        self._before = before
        self._root = f"{repository.workspace.root}{os.sep}"

    def keep(self, stages: Sequence[Stage], unchanged: Sequence[bool]) -> _Kept | None:
        """Return what is to be kept; None where what decides more than some stages is young."""
        position = {stage: number for number, stage in enumerate(stages)}
        records, stands = [], []
        for number, stage in enumerate(stages):
            if self._before is not None and isinstance(stage, RecordedStage) and not stage.is_awake:
                records.append(self._before.kept.records[number])
                stands.append(True)
            else:
                records.append(record_stage(stage, [position[other] for other in stage.upstream]))
                stands.append(unchanged[number] and stage.is_local and not stage.adopted)
        inventory = self._repository.workspace.inventory
        kept = _Kept(
            {}, {}, {}, {}, {}, False, records, stands, inventory, self._repository.object_folder
        )
        deciding = {*_deciding_files(records)}
        owners = _Owners(records)
        for path in self._looks.young:
            of = owners.find(path)
            if (path in deciding or not of) and not self._is_passing(path):
                return None
            for number in of:
                stands[number] = False
        self._sign(kept, owners, deciding)
        self._add_values(kept)
        return kept

    def _is_passing(self, path: str) -> bool:
        """Tell whether the path says nothing of a stage that stands: it is asked about anyway."""
        folders = (*self._repository.passing_folders, self._repository.run_folder)
        return any(f"{path}{os.sep}".startswith(f"{folder}{os.sep}") for folder in folders)

    def _sign(self, kept: _Kept, owners: _Owners, deciding: Collection[str]) -> None:
        looks, before = self._looks, self._before
        if before is not None:
            kept.looked.update(before.kept.looked)
            kept.listed.update(before.kept.listed)
            kept.walks.update(before.kept.walks)
            kept.contents.update(before.kept.contents)
        for path, signature in looks.looked.items():
            kept.looked.pop(path, None)
            if path in looks.young or self._is_passing(path):
                continue
            kept.looked[path] = signature
            if path in deciding or not owners.find(path):
                self._add_content(kept, path)
        for path, signature in looks.listed.items():
            kept.listed.pop(path, None)
            if path in looks.young or self._is_passing(path):
                continue
            kept.listed[path] = signature
            if self._is_walked(path):
                walk = sign_walk(path)
                if walk is not None:
                    kept.walks[path] = walk

    def _add_content(self, kept: _Kept, path: str) -> None:
        """Add the digest of a file of the repository's, but for what is in its cache."""
        kept.contents.pop(path, None)
        is_own = path.startswith(self._root) and not path.startswith(self._repository.cache_folders)
        if is_own and os.path.isfile(path) and os.path.getsize(path) <= LARGEST:
            digest = digest_file(path)
            if digest is not None:
                kept.contents[path] = digest

    def _is_walked(self, path: str) -> bool:
        """Tell whether DVC looks through the folder for stages."""
        inside = f"{path}{os.sep}".removeprefix(self._root)
        return f"{path}{os.sep}".startswith(self._root) and not inside.startswith(OWN)

    def _add_values(self, kept: _Kept) -> None:
        """Add the digests of declared values, and whether values may decide more than that."""
        before, loader = self._before, self._repository.loader
        keys: dict[str, set[str]] = {}
        for record in kept.records:
            for path in record.params:
                keys.setdefault(path, set()).update(declared_keys(record, path))
        for path, declared in keys.items():
            if before is None or path in self._looks.looked:
                kept.values[path] = loader.digest_params(path, sorted(declared))
            else:
                kept.values[path] = before.kept.values[path]
        if before is not None:
            kept.has_templates = before.kept.has_templates
        else:
            files = [path for path in kept.inventory.described_in if path.endswith(".yaml")]
            kept.has_templates = any(map(loader.has_templates, files))


def _deciding_files(records: Iterable[StageRecord]) -> Iterator[str]:
    """Iterate over the files that decide about stages, whether they are a dep of one or not."""
    for record in records:
        yield record.declared_in
        yield lock_of(record.declared_in)
        yield from record.params


def digest_file(path: str) -> str | None:
    """Return the SHA-256 of a file's content; None where it can't be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


def _read(file: Path, question: Question) -> _Kept | None:
    """Read what was kept of the question's plan; None where there is nothing."""
    match read_checked(file):
        case {"question": asked, "time": int(kept), "kept": dict(document)} if asked == question:
            if kept <= time.time_ns():
                return _from_json(document)
    return None


def _to_json(kept: _Kept) -> dict[str, Any]:
    """Make a document of what is kept; `asdict` would copy every value of every record."""
    records = [vars(record) for record in kept.records]
    return {**vars(kept), "records": records, "inventory": vars(kept.inventory)}


def _from_json(document: Mapping[str, Any]) -> _Kept | None:
    """Make of a document what it was written from; None where it is of another version."""
    try:
        records = [StageRecord(**record) for record in document["records"]]
        inventory = Inventory(**document["inventory"])
        return _Kept(**{**document, "records": records, "inventory": inventory})
    except (KeyError, TypeError):
        return None
