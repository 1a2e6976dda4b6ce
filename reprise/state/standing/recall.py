"""Find what still stands of an earlier plan."""

import time
from dataclasses import dataclass, field, replace

from reprise.dvc import DVC_ERRORS, Repository, Stage, dvc_boundary
from reprise.dvc.recorded.loader import RecordLoader
from reprise.dvc.recorded.stage_record import digest_entry
from reprise.errors import PipelineError
from reprise.state.standing.kept import Kept, digest_file, is_of_use, read_kept
from reprise.state.standing.owners import Owners
from reprise.state.trace.answer import Looks, Question, find_folder, has_left_work
from reprise.state.trace.signature import (
    LENGTH_OF_FILE,
    Look,
    Signature,
    all_stand,
    sign_walk,
)


@dataclass
class Seen:
    """Holds how the files of a stage stood: their signatures, and those of the names in folders."""

    looked: dict[str, Signature] = field(default_factory=dict)
    listed: dict[str, Signature] = field(default_factory=dict)

    def stands(self) -> bool:
        """Tell whether all of them stand so now."""
        return all_stand(self.looked) and all_stand(self.listed, listed=True)


@dataclass
class Standing:
    """Holds which stages of an earlier plan stand.

    awake: positions of those that do not. moved: files with another content, that decide about
    several stages. seen: how all stood that a stage reads or writes, by the stage's position.
    is_planned: whether the plan was made of what was seen, so that it may have moved since.
    """

    kept: Kept
    seen: list[Seen]
    awake: set[int] = field(default_factory=set)
    moved: list[str] = field(default_factory=list)
    is_planned: bool = False

    def take_stages(self, repository: Repository) -> list[Stage] | None:
        """Take the stages as they stand; None where all have to be asked about."""
        kept = self.kept
        try:
            with dvc_boundary():
                for path in self.moved:
                    if not self._wake_parts(repository.loader, path):
                        return None
                return repository.recorded_stages(
                    kept.records, self.awake, kept.inventory, self.is_unmoved
                )
        except (PipelineError, *DVC_ERRORS):
            return None  # DVC says what is wrong when it is asked about all

    def _wake_parts(self, loader: RecordLoader, path: str) -> bool:
        """Wake the stages of which the file has another part; tell whether it has only parts."""
        if path in self.kept.values:
            self._wake_params(loader, path)
            return True
        return self._wake_entries(loader, path)

    def _wake_params(self, loader: RecordLoader, path: str) -> None:
        """Wake the stages that declare a changed key, or the file as a whole."""
        before = self.kept.values[path]
        now = loader.digest_params(path, self.kept.keys_of(path))
        changed = {key for key, _ in before.items() ^ now.items()}
        for position, record in enumerate(self.kept.records):
            declared = record.params.get(path)
            if declared is None:
                continue
            is_whole = not declared
            if is_whole or not changed.isdisjoint(declared):
                self.awake.add(position)

    def _wake_entries(self, loader: RecordLoader, lock: str) -> bool:
        """Wake the stages that have another entry in the dvc.lock; tell whether it has any."""
        has_any = False
        for position, record in enumerate(self.kept.records):
            if record.lock == lock:
                has_any = True
                if record.entry != digest_entry(loader.entry(record)):
                    self.awake.add(position)
        return has_any

    def with_earlier(self, looks: Looks) -> Looks:
        """Return the looks, with those at all that was not looked at again."""
        return replace(
            looks,
            looked={**self.kept.looked, **looks.looked},
            listed={**self.kept.listed, **looks.listed},
        )

    def is_unmoved(self, position: int) -> bool:
        """Tell whether no file that the stage at the position reads or writes has moved.

        While the plan is made, that is what was seen just before it.
        """
        return not self.is_planned or self.seen[position].stands()


def recall_standing(question: Question) -> Standing | None:
    """Find what still stands of the plan that answered this very question; None for nothing."""
    folder = find_folder()
    if folder is None or not is_of_use(question) or has_left_work(folder):
        return None
    kept = read_kept(folder, question)
    if kept is None:
        return None
    standing = Standing(kept, [Seen() for _ in kept.records])
    if not _Comparison(standing).is_of_stages():
        return None
    return standing


class _Comparison:
    """Compares how all stands with how it stood, and wakes the stages that something moved of."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._kept = standing.kept
        self._owners = Owners(standing.kept.records)

    def is_of_stages(self) -> bool:
        """Tell whether nothing moved that may decide about other stages than those that wake."""
        for position, stands in enumerate(self._kept.stands):
            if not stands:
                self._standing.awake.add(position)
        for path in [*self._kept.looked]:
            if not self._compare(path):
                return False
        return all(self._compare_names(path) for path in [*self._kept.listed])

    def _compare(self, path: str) -> bool:
        """Look at a path, and wake its owners if it moved; tell whether it is theirs alone."""
        kept, look, owners = self._kept, Look(path), self._owners.find(path)
        for position in (*owners, *self._owners.declaring(path)):
            self._standing.seen[position].looked[path] = look.signature
        if self._is_same(path, look):
            return True
        self._standing.awake.update(owners)
        if path in kept.contents:
            self._compare_content(path, look)
            return True
        del kept.looked[path]  # it is looked at again with its stages
        return bool(owners)

    def _compare_content(self, path: str, look: Look) -> None:
        """Note a file that holds something else; the signature stays where it is too young."""
        if digest_file(path) != self._kept.contents[path]:
            self._standing.moved.append(path)
        elif not _is_young(look):
            self._kept.looked[path] = look.signature

    def _is_same(self, path: str, look: Look) -> bool:
        """Tell whether the path stands as it did.

        DVC links objects of its cache, which leaves them another time of the last change to the
        inode; it stands last.
        """
        before = self._kept.looked[path]
        if path.startswith(self._kept.objects) and len(before) == LENGTH_OF_FILE:
            return look.signature[:-1] == before[:-1]
        return look.signature == before

    def _compare_names(self, path: str) -> bool:
        """Look at the names in a folder, as `_compare` does at a path."""
        kept, look, owners = self._kept, Look(path, listed=True), self._owners.find(path)
        for position in owners:
            self._standing.seen[position].listed[path] = look.signature
        if look.signature == kept.listed[path]:
            return True
        self._standing.awake.update(owners)
        if path not in kept.walks:
            del kept.listed[path]
            return bool(owners)
        if not _is_young(look):
            kept.listed[path] = look.signature
        return sign_walk(path) == kept.walks[path]


def _is_young(look: Look) -> bool:
    """Tell whether another write would perhaps leave the same times."""
    return look.may_be_written_since(time.time_ns())
