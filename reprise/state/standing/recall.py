"""Find what still stands of an earlier plan."""

import time
from dataclasses import dataclass, field, replace

from reprise.dvc import DVC_ERRORS, Repository, Stage
from reprise.dvc.recorded.loader import RecordLoader
from reprise.errors import PipelineError
from reprise.state.standing.kept import Kept, digest_file, is_kept, read_kept
from reprise.state.standing.owners import Owners
from reprise.state.trace.answer import Looks, Question, find_folder, has_left_work
from reprise.state.trace.signature import LENGTH_OF_FILE, Look, Signature, sign_walk

_NOT_DECLARED = ("",)  # no key is empty


@dataclass
class Standing:
    """Holds which stages of an earlier plan stand.

    awake: positions of those that do not. moved: files with another content, that decide about
    several stages. seen: how each path stood that a stage reads or writes, by the stage's position.
    told: the stages of which it was told that they are unmoved.
    """

    kept: Kept
    seen: list[dict[str, Signature]]
    awake: set[int] = field(default_factory=set)
    moved: list[str] = field(default_factory=list)
    told: set[int] = field(default_factory=set)

    def take_stages(self, repository: Repository) -> list[Stage] | None:
        """Take the stages as they stand; None where all have to be asked about."""
        kept = self.kept
        try:
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
            return not self.kept.inventory.has_templates
        return self._wake_entries(loader, path)

    def _wake_params(self, loader: RecordLoader, path: str) -> None:
        """Wake the stages that declare a changed key, or the file as a whole."""
        before = self.kept.values[path]
        now = loader.digest_params(path, self.kept.keys_of(path))
        changed = {key for key, _ in before.items() ^ now.items()}
        for position, record in enumerate(self.kept.records):
            keys = record.params.get(path, _NOT_DECLARED)
            if changed.intersection(keys or changed):
                self.awake.add(position)

    def _wake_entries(self, loader: RecordLoader, path: str) -> bool:
        """Wake the stages that have another entry in a dvc.lock; tell whether it is one."""
        entries = None
        for position, record in enumerate(self.kept.records):
            if record.lock != path:
                continue
            if entries is None:
                entries = loader.digest_entries(record.declared_in)
            if record.entry != entries.get(record.key[1]):
                self.awake.add(position)
        return entries is not None

    def with_earlier(self, looks: Looks) -> Looks:
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
        for path, signature in self.seen[position].items():
            if Look(path).signature != signature:
                return False
        return True


def recall_standing(question: Question) -> Standing | None:
    """Find what still stands of the plan that answered this very question; None for nothing."""
    folder = find_folder()
    if folder is None or not is_kept(question) or has_left_work(folder):
        return None
    kept = read_kept(folder, question)
    if kept is None:
        return None
    standing = Standing(kept, [{} for _ in kept.records])
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
            if not self._look(path):
                return False
        return all(self._look_into(path) for path in [*self._kept.listed])

    def _look(self, path: str) -> bool:
        """Look at a path. A signature of before is kept where the present one is too young."""
        kept, look, of = self._kept, Look(path), self._owners.find(path)
        for position in (*of, *self._owners.declaring(path)):
            self._standing.seen[position][path] = look.signature
        if self._is_same(path, look):
            return True
        self._standing.awake.update(of)
        if path not in kept.contents:
            del kept.looked[path]  # it is looked at again with its stages
            return bool(of)
        if digest_file(path) != kept.contents[path]:
            self._standing.moved.append(path)
        elif not _is_young(look):
            kept.looked[path] = look.signature
        return True

    def _is_same(self, path: str, look: Look) -> bool:
        """Tell whether the path stands as it did.

        DVC links and protects objects of its cache, which leaves them another time of the last
        change to the inode; it stands last.
        """
        before = self._kept.looked[path]
        if path.startswith(self._kept.objects) and len(before) == LENGTH_OF_FILE:
            return look.signature[:-1] == before[:-1]
        return look.signature == before

    def _look_into(self, path: str) -> bool:
        """Look at the names in a folder."""
        kept, look, of = self._kept, Look(path, listed=True), self._owners.find(path)
        if look.signature == kept.listed[path]:
            return True
        self._standing.awake.update(of)
        if path not in kept.walks:
            del kept.listed[path]
            return bool(of)
        if not _is_young(look):
            kept.listed[path] = look.signature
        return sign_walk(path) == kept.walks[path]


def _is_young(look: Look) -> bool:
    """Tell whether another write would perhaps leave the same times."""
    return look.may_be_written_since(time.time_ns())
