"""A stage that stands as it was recorded, until something asks more of it than the record has."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from dvc.stage import Stage as DVCStage

from reprise.dvc.changes import Change
from reprise.dvc.lock_file import Entry
from reprise.dvc.recorded.loader import RecordLoader
from reprise.dvc.recorded.stage_record import StageRecord
from reprise.dvc.run_cache import NOTHING, Assumed
from reprise.dvc.settings import Settings, parse_settings
from reprise.dvc.stage import Stage
from reprise.dvc.workspace import Workspace


class RecordedStage(Stage):
    """Holds a stage that was unchanged when it was recorded.

    It is unchanged as long as none of its files moves, and no upstream stage leaves another out
    than the one of dvc.lock. DVC's own stage is made as soon as anything needs it.
    """

    def __init__(
        self,
        workspace: Workspace,
        record: StageRecord,
        loader: RecordLoader,
        is_unmoved: Callable[[], bool],
    ) -> None:
        """Take the record. loader: makes DVC's stage; is_unmoved: tells whether its files stand."""
        # Not the base class's, which takes DVC's stage apart.
        self._record = record
        self._loader = loader
        self._is_unmoved = is_unmoved
        self.name = record.name
        self.key = record.lock_key
        self.declared_in = Path(record.declared_in)
        self.wdir = Path(record.wdir)
        self.frozen = record.frozen
        self.ignores_deps = record.ignores_deps
        self.has_entry = record.has_entry
        self.has_command = record.has_command
        self.dep_paths = [*record.deps]
        self._begin(workspace)

    @property
    def stands(self) -> bool:
        """Tell whether DVC's own stage was not made yet."""
        return "dvc" not in self.__dict__

    @cached_property
    def dvc(self) -> DVCStage:
        """Make DVC's stage."""
        stage = self._loader.load(self._record)
        self._take(stage, self._loader.entry(self._record))
        return stage

    @cached_property
    def locked(self) -> Entry:
        """Return what dvc.lock said of it when its dvc.yaml was read, and make DVC's stage."""
        _ = self.dvc  # which is filled from it
        return self._loader.entry(self._record)

    # What the record has

    @cached_property
    def settings(self) -> Settings:
        """Return the runner's settings."""
        return parse_settings(f"{self.file}: stage '{self.name}'", self._record.meta)

    @property
    def keeps_outs(self) -> bool:
        """Tell whether bringing it up to date reads its outs and writes none."""
        return self._record.keeps_outs

    @property
    def is_local(self) -> bool:
        """Tell whether all its files are of this machine: others are not recorded so."""
        return True

    @property
    def never_ran(self) -> bool:
        """Tell whether dvc.lock has no entry of it, as of a frozen stage."""
        return self._record.never_ran

    @property
    def params(self) -> dict[Path, list[str]]:
        """Return the params files and the declared keys."""
        return {Path(path): keys for path, keys in self._record.params.items()}

    @property
    def outputs(self) -> dict[Path, bool]:
        """Return the paths of local outs, and whether they persist."""
        return {Path(path): persists for path, persists in self._record.outs.items()}

    # What changed

    def changes(self, assumed: Assumed = NOTHING) -> list[Change]:
        """List why `dvc repro` would run the stage, without DVC as long as nothing moved."""
        if self.stands and self._is_as_recorded(assumed):
            return []
        return super().changes(assumed)

    def _is_as_recorded(self, assumed: Assumed) -> bool:
        for path, value in assumed.items():
            if value is not None and value != self._record.deps.get(path, value):
                return False
        return self._is_unmoved()

    def refresh_folders(self) -> None:
        """Forget the hashes of folder deps that were written to, whichever stage asked for them."""
        if not self.stands or not self._is_unmoved():
            super().refresh_folders()
