"""What a run keeps of its stages: a journal as they finish; at its end .gitignore and dvc.lock, in plan order."""

import os
from collections.abc import Iterable, Mapping, Sequence

from reprise.dvc import Change, Repository, Stage
from reprise.dvc.lock_file import Entry, Key
from reprise.state.durations import Durations
from reprise.state.journal import Journal


class Recorder:
    """All methods want DVC's lock to be held."""

    def __init__(self, repository: Repository, place: Mapping[Stage, int]) -> None:
        """`place`: of each stage in the plan."""
        self._repository, self._place = repository, place
        self._journal = Journal(repository.temporary)
        self._left_over: dict[Key, Entry] = {}  # what killed runs had finished
        self._changed: set[Stage] = set()  # whose entries dvc.lock does not have yet
        self._unignored: set[Stage] = set()  # whose outs' lines .gitignore does not have yet

    def open(self) -> None:
        """Takes over what killed runs left, and starts a journal."""
        self._left_over = self._journal.left_over()
        self._journal.start()
        if self._journal.adopted:
            self._repository.remove_debris(self._place)

    def reopen(self, stage: Stage) -> None:
        """After another process had the stage."""
        stage.reload()
        self._left_over |= self._journal.others()

    def adopt(self, stage: Stage, changes: Sequence[Change]) -> bool:
        """True if the stage is unchanged by the journal of a run that was killed before it wrote dvc.lock.

        `changes`: since dvc.lock, or since what the plan adopted.
        """
        if changes:
            stage.adopt_if_current(self._left_over.get(stage.key))
        if stage.adopted:
            self._changed.add(stage)
            self._unignored.add(stage)
        return stage.adopted

    def add(self, stage: Stage) -> None:
        """After the stage's outs are in the workspace and in the cache."""
        if stage.has_entry:
            self._journal.add(stage.key, stage.entry())
            self._changed.add(stage)
        self._unignored.add(stage)

    def ignore_inside(self, stage: Stage) -> None:
        """Before a folder dep is hashed: the .gitignore files in it count, and all who write there are done."""
        folders = [f"{p}{os.sep}" for p in stage.dep_paths if os.path.isdir(p)]
        if folders and self._unignored:
            self._ignore(
                s
                for s in self._unignored
                if any(str(o).startswith(tuple(folders)) for o in s.outputs)
            )

    def _ignore(self, stages: Iterable[Stage]) -> None:
        for stage in self._in_order(stages):
            stage.ignore()
            self._unignored.discard(stage)

    def _in_order(self, stages: Iterable[Stage]) -> Sequence[Stage]:
        return sorted(stages, key=self._place.__getitem__)

    def write(self, decided: Iterable[Stage], seconds: Mapping[Stage, float]) -> None:
        """`decided`: stages whose left-over entries are of no more use. `seconds`: of those that ran."""
        self._ignore(self._unignored)  # first: who is killed now finds the rest in the journal
        self._repository.write_locks(self._in_order(self._changed))
        known = {stage.key for stage in decided}
        self._journal.clear(
            {key: entry for key, entry in self._left_over.items() if key not in known}
        )
        if seconds:
            Durations(self._repository.temporary).add(
                (stage.name, s) for stage, s in seconds.items()
            )
