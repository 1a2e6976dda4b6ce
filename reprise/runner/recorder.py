"""Record a run's stages: in a journal as they finish; at the end in .gitignore and dvc.lock."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from reprise.dvc import Change, Repository, Stage
from reprise.dvc.exceptions import dvc_boundary
from reprise.dvc.lock_file import Entry, Key, entry_hash
from reprise.errors import PipelineError
from reprise.state.durations import Durations
from reprise.state.early_entries import EarlyEntries
from reprise.state.folders import StateFolders
from reprise.state.journal import Journal


class Recorder:
    """Records stages in plan order. All methods need DVC's lock to be held."""

    def __init__(self, repository: Repository, position: Mapping[Stage, int]) -> None:
        """position: each stage's, in the plan."""
        self._repository = repository
        self._position = position
        self._journal = Journal(repository.temporary)
        self._left_over: dict[Key, Entry] = {}  # what killed runs had finished
        self._changed: set[Stage] = set()  # their entries are not in dvc.lock yet
        self._unignored: set[Stage] = set()  # their outs are not in .gitignore yet
        self._ignored: dict[Stage, list[str]] = {}  # the outs for which this run wrote lines
        self._new: set[Stage] = set()  # dvc.lock had no entries of theirs
        self._early = EarlyEntries(StateFolders(repository.temporary).early_entries)

    def open(self) -> None:
        """Take over what killed runs left, and start a journal."""
        self._left_over = self._journal.left_over()
        self._journal.start()
        for stage in self._position:
            if stage.adopted or stage.never_ran:
                self._new.add(stage)
        if self._journal.adopted:
            self._repository.remove_debris(self._position)

    def reload(self, stage: Stage) -> None:
        """Read again what is recorded of the stage, after another process worked on it."""
        stage.reload()
        self._left_over |= self._journal.all_entries()

    def adopt(self, stage: Stage, changes: Sequence[Change]) -> bool:
        """Take over what a killed run recorded of the stage, if current; tell whether it was.

        changes: those since dvc.lock was written, or since the entry that the plan adopted.
        """
        if changes:
            stage.adopt_if_current(self._left_over.get(stage.key))
        if stage.adopted:
            self._changed.add(stage)
            self._unignored.add(stage)
        return stage.adopted

    def add(self, stage: Stage) -> None:
        """Record a stage whose outs are in the workspace and in the cache."""
        if stage.has_entry:
            self._journal.add(stage.key, stage.entry())
            self._changed.add(stage)
        self._unignored.add(stage)

    def ignore_in_deps(self, stage: Stage) -> None:
        """Write the .gitignore files in the stage's folder deps, whose hashes cover them.

        All stages that write outs there are done.
        """
        if not self._unignored:
            return
        folders = filter(os.path.isdir, stage.dep_paths)
        prefixes = tuple(f"{folder}{os.sep}" for folder in folders)
        if not prefixes:
            return
        writers = []
        for writer in self._unignored:
            if any(str(out).startswith(prefixes) for out in writer.outputs):
                writers.append(writer)
        self._ignore(writers)

    def _ignore(self, stages: Iterable[Stage]) -> None:
        for stage in self._in_plan_order(stages):
            self._ignored.setdefault(stage, []).extend(stage.ignore())
            self._unignored.discard(stage)

    def _ignore_all(self) -> list[str]:
        """Write .gitignore for every stage that it can be written for; return the errors."""
        errors = []
        for stage in self._in_plan_order(self._unignored):
            try:
                with dvc_boundary(stage.name):
                    self._ignore([stage])
            except PipelineError as error:
                errors.append(str(error))
        return errors

    def _in_plan_order(self, stages: Iterable[Stage]) -> Sequence[Stage]:
        return sorted(stages, key=self._position.__getitem__)

    def write(
        self,
        decided: Collection[Stage],
        unfinished: Collection[Stage],
        seconds: Mapping[Stage, float],
    ) -> None:
        """Write .gitignore and dvc.lock, and clear the journals.

        decided: stages that are up to date, and need no left-over entry any more. unfinished: those
        that `dvc repro` would have finished before it began another. seconds: how long stages ran.
        Raises PipelineError where a .gitignore can't be written: the journal keeps the entries of
        its stages for the next run.
        """
        moved = self._take_back_early(decided)
        # .gitignore comes first: after a kill in between, the journal still has the entries.
        errors = self._ignore_all()
        keep = dict(self._left_over)
        for stage in decided:
            keep.pop(stage.key, None)
        for stage in self._changed & self._unignored:
            keep[stage.key] = stage.entry()
        written = (self._changed | moved) - self._unignored
        self._repository.write_locks(self._in_plan_order(written), moved)
        self._journal.clear(keep)
        self._keep_early(written & (self._new | moved), unfinished)
        if seconds:
            durations = Durations(self._repository.temporary)
            durations.add(self._described_runs(seconds))
        if errors:
            raise PipelineError("; ".join(errors))

    def _described_runs(
        self, seconds: Mapping[Stage, float]
    ) -> Iterator[tuple[str, float, str | None]]:
        """Yield each stage's name, its seconds, and the hash of what was recorded of it."""
        for stage, value in seconds.items():
            entry = None
            if stage in self._changed:
                entry = entry_hash(stage.entry())
            yield stage.name, value, entry

    def _take_back_early(self, decided: Iterable[Stage]) -> set[Stage]:
        """Choose the early entries that go behind one of this run; their lines do so too."""
        moved: set[Stage] = set()
        new = [self._position[stage] for stage in self._changed & self._new]
        first = min(new, default=len(self._position))
        for stage in decided:
            outs = self._early.outs.get(stage.key)
            if outs is not None and self._position[stage] > first:
                stage.take_back_lines(outs)
                moved.add(stage)
        self._unignored |= moved
        return moved

    def _keep_early(self, appended: Iterable[Stage], unfinished: Collection[Stage]) -> None:
        """Keep which entries are ahead of one that is still to come."""
        before = self._early.outs
        to_come = [self._position[stage] for stage in self._new.intersection(unfinished)]
        first = min(to_come, default=len(self._position))
        early = dict(before)
        for stage, position in self._position.items():
            is_early = stage in appended or stage.key in early
            outs = early.pop(stage.key, [])
            if is_early and position > first:
                early[stage.key] = self._ignored.get(stage) or outs
        if early != before:
            self._early.keep(early)
