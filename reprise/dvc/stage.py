"""Tells what changed in a stage since it was up to date, and brings it up to date."""

import os
from collections.abc import Collection, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from dvc import prompt
from dvc.dependency import ParamsDependency
from dvc.output import OutputAlreadyTrackedError
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.stage.utils import check_missing_outputs

from reprise.dvc.changes import Change, ChangeKind
from reprise.dvc.declaration import Declaration
from reprise.dvc.deps import data_deps, has_path, local_items
from reprise.dvc.exceptions import DVC_ERRORS, dvc_boundary
from reprise.dvc.inputs.inputs import Inputs
from reprise.dvc.lock_file import Entry
from reprise.dvc.run_cache import NOTHING, Assumed, CachedRun, has_inputs
from reprise.dvc.status import dep_changes, stage_changes
from reprise.dvc.workspace import Workspace
from reprise.errors import PipelineError


class Stage(Declaration):
    """Holds one stage of the graph: what DVC knows of it, and what the runner does to it."""

    def __init__(self, workspace: Workspace, stage: DVCStage) -> None:
        """Take DVC's stage, and let it hash its deps and outs through the file cache."""
        super().__init__(stage, workspace.root)
        self._begin(workspace)
        self._take(stage, _locked_entry(stage))

    def _begin(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.upstream: list[Stage] = []  # whose outs it reads
        self.after: Stage | None = None  # the target named before it, if only targets run
        self.adopted = False  # its entry is of a killed run and not in dvc.lock yet

    def _take(self, stage: DVCStage, entry: Entry) -> None:
        """Take what dvc.lock says of DVC's stage, and let that hash through the file cache."""
        self.locked = entry
        for item in local_items([*data_deps(stage.deps), *stage.outs]):
            item._build = partial(self.workspace.file_cache.build, item, item._build)

    @cached_property
    def locked(self) -> Entry:
        """Return what dvc.lock, or an entry that was adopted, says of it; empty for nothing."""
        raise NotImplementedError  # it is set with DVC's stage

    @property
    def stands(self) -> bool:
        """Tell whether all that is known of it is what an earlier plan recorded."""
        return False

    @property
    def never_ran(self) -> bool:
        """Tell whether neither dvc.lock nor an adopted entry says anything of it."""
        return not self.locked

    def params_of(self, path: Path) -> Any:
        """Return the parsed params file."""
        return self.workspace.file_cache.load_path(str(path), self.dvc.repo.fs)

    def refresh_folders(self) -> None:
        """Forget the hashes of folder deps that were written to since they were hashed."""
        for dep in local_items(data_deps(self.dvc.deps)):
            self.workspace.file_cache.refresh(dep)

    def take_inputs(self) -> Inputs:
        """Take down what the inputs are now.

        DVC raises its own error for one that is missing.
        """
        return Inputs(self.dvc.deps, self.workspace.file_cache)

    # What changed

    def changes(self, assumed: Assumed = NOTHING) -> list[Change]:
        """List why `dvc repro` would run the stage; nothing: it is unchanged.

        assumed: the hashes that paths will have after upstream stages; None where that is not
        known: such deps are left out. Raises PipelineError for what DVC raises, unless a change
        was found before: DVC itself would look no further.
        """
        if self.has_entry and self.never_ran and not self.frozen:
            return [Change(ChangeKind.CMD, self.name, "never ran")]
        changes: list[Change] = []
        try:
            with dvc_boundary():
                changes.extend(stage_changes(self.dvc, self.name, self.locked.get("cmd"), assumed))
        except PipelineError:
            if not changes:
                raise
        return changes

    def without_missing(self, changes: Sequence[Change]) -> list[Change]:
        """Leave out the changes that are of missing data, as `--allow-missing` does.

        A missing dep counts if an upstream stage has written another one meanwhile.
        """
        if not changes:
            return []
        renewed = self._renewed_deps()
        counting = []
        for change in changes:
            if not _is_of_missing(change, renewed):
                counting.append(change)
        return counting

    def _renewed_deps(self) -> set[str]:
        """Name the deps that are not as an upstream stage has them by now."""
        written = {}
        for upstream in self.upstream:
            for out in upstream.dvc.outs:
                written[out.fs_path] = out.hash_info
        renewed = set()
        for dep in self.dvc.deps:
            hash_info = written.get(dep.fs_path, dep.hash_info)
            if dep.hash_info != hash_info:
                renewed.add(str(dep))
        return renewed

    def adopt(self, entry: Entry) -> None:
        """Take the entry for what dvc.lock says of the stage."""
        StageLoader.fill_from_lock(self.dvc, entry)
        self.dvc.cmd_changed = entry.get("cmd") != self.dvc.cmd
        self.locked = entry

    def adopt_if_current(self, entry: Entry | None) -> bool:
        """Adopt an entry that dvc.lock does not have yet, if the stage is unchanged by it."""
        before = self.locked
        self.adopted = False
        if entry is not None:
            self.adopt(entry)
            self.adopted = not self.changes()
            if not self.adopted:
                self.adopt(before)
        return self.adopted

    def is_as_locked(self, assumed: Assumed) -> bool:
        """Tell whether command and deps, as far as known, are those of dvc.lock.

        Then its outs may be in the cache.
        """
        if self.dvc.changed_stage():
            return False
        if not all(out.hash_info for out in self.dvc.outs):
            return False
        return not any(dep_changes(dep, assumed) for dep in self.dvc.deps)

    def outs_changed(self) -> bool:
        """Tell whether the outs differ by now from what was saved."""
        self._forget_outs()
        return any(out.workspace_status() for out in self.dvc.outs)

    def _forget_outs(self) -> None:
        """Forget the outs' hashes: they may have been written to."""
        for out in self.dvc.outs:
            self.workspace.file_cache.forget(out.fs_path)

    # The run-cache

    def find_run(
        self, assumed: Assumed = NOTHING, *, run_cache: bool = True, pull: bool = False
    ) -> CachedRun | None:
        """Find the run that `restore` can take; None where there is none.

        assumed: as in `changes`; run_cache: not only the run of dvc.lock; pull: fetches runs, and
        the outs of the one that is found, from the remote.
        """
        if not has_inputs(self.dvc, assumed):
            return None
        runs, is_as_locked = self.workspace.run_cache, self.is_as_locked(assumed)
        if not run_cache and not is_as_locked:
            return None
        return runs.find(self.dvc, assumed, is_as_locked=is_as_locked, pull=pull)

    def may_find_run(self, assumed: Assumed, *, run_cache: bool = True) -> bool:
        """Tell whether there may be a run, once the hashes that lack are known."""
        if not has_inputs(self.dvc, assumed):
            return False
        runs, is_as_locked = self.workspace.run_cache, self.is_as_locked(assumed)
        if not run_cache and not is_as_locked:
            return False
        return runs.may_find(self.dvc, assumed, is_as_locked=is_as_locked)

    def restore(self, run: CachedRun, inputs: Inputs, *, commit: bool = True) -> None:
        """Put a run's outs into the workspace, and save the stage.

        inputs: those by which the run was found; commit: as in `save`.
        """
        self.put_outs(run)
        self.save(inputs, commit=commit)

    def put_outs(self, run: CachedRun) -> None:
        """Put a run's outs into the workspace, in place of those that are there."""
        self.clear()
        run.checkout()

    # Bringing it up to date

    def confirm(self) -> bool:
        """Ask on the terminal whether to go on with the stage; without one it is a no."""
        question = f"Going to reproduce {self.dvc}. Are you sure you want to continue?"
        return bool(prompt.confirm(question))

    def check_inputs(self) -> None:
        """Raise PipelineError unless every dep exists.

        DVC raises its own errors for a params file that lacks a declared key, and for a dataset
        that is not in sync.
        """
        for dep in self.dvc.deps:
            if has_path(dep):
                if not dep.exists:
                    raise PipelineError(f"dependency '{dep}' does not exist")
                if not isinstance(dep, ParamsDependency):
                    continue
            dep.get_hash()

    def check_wdir(self) -> None:
        """Raise PipelineError unless the folder exists in which the commands run."""
        if not self.wdir.is_dir():
            raise PipelineError(
                f"{self.file}: wdir: found no folder '{os.path.relpath(self.wdir)}'; expected one"
            )

    def check_outs(self) -> None:
        """Raise DVC's error for an out that git tracks; DVC raises it after the command."""
        for out in self.dvc.outs:
            path = Path(out.fs_path)
            if out.use_scm_ignore and self.workspace.is_tracked(path):
                raise OutputAlreadyTrackedError(out)

    def settle(self, *, force: bool = False, commit: bool = True) -> None:
        """Bring a stage without command up to date in DVC's way: verify, import, save.

        force: imports anew.
        """
        self.dvc.run(force=force, no_commit=not commit)
        self._forget_outs()
        if not isinstance(self.dvc, PipelineStage):
            self.dvc.dump(update_pipeline=False)

    def reload(self) -> None:
        """Read again what dvc.lock says, after another process may have written it."""
        if isinstance(self.dvc, PipelineStage):
            self.dvc.dvcfile._reset()
            self.adopt(_locked_entry(self.dvc))

    def pull_inputs(self) -> None:
        """Pull the deps that are missing, and the outs that are missing in folders."""
        for dep in local_items(data_deps(self.dvc.deps)):
            inside = self.workspace.missing_in(dep.fs_path)
            if not inside and not dep.exists:
                self.workspace.pull(dep.fs_path)
            for out in inside:
                self.workspace.pull(out.fs_path)

    def pull_outputs(self) -> bool:
        """Pull the outs, for a stage that lacks nothing but data; tell whether that went well."""
        try:
            self.workspace.pull(self.name)
        except DVC_ERRORS:
            return False
        return all(change.kind is not ChangeKind.OUT for change in self.changes())

    def clear(self) -> None:
        """Make room for the outs: persistent ones become writable, the others go."""
        self.dvc.remove_outs(ignore_remove=False, force=False)

    def save(self, inputs: Inputs, *, commit: bool = True) -> None:
        """Hash the outs, and put outs and run into the cache, as DVC does after the command.

        inputs: those that the outs were made of. Whatever the workspace has by now is not hashed.
        commit: false leaves the cache as it is. `.gitignore` is left alone: its lines follow in
        plan order, by `ignore`. DVC raises its own error when an out is missing.
        """
        self._forget_outs()
        for out in self.dvc.outs:
            out.ignore = lambda: None
        check_missing_outputs(self.dvc)
        # DVC keeps no runs of stages with outs that are not cached, metrics and plots apart.
        keeps_run = commit
        for out in self.dvc.outs:
            is_data = not out.is_metric and not out.is_plot
            if is_data and not out.use_cache:
                keeps_run = False
        with inputs.in_force():
            self.dvc.save(run_cache=keeps_run)
        if commit:
            self.dvc.commit()

    def ignore(self) -> list[str]:
        """Write the outs' lines into .gitignore; return the outs that had none."""
        ignored = []
        for out in self.dvc.outs:
            folder, name = os.path.split(out.fs_path)
            lines = self.workspace.file_cache.lines(os.path.join(folder, ".gitignore"))
            if out.use_scm_ignore and f"/{name}" not in lines:
                out.repo.scm_context.ignore(out.fs_path)
                ignored.append(str(out.fs_path))
        return ignored

    def take_back_lines(self, outs: Collection[str]) -> None:
        """Take the lines of outs, absolute paths, out of .gitignore."""
        for out in self.dvc.outs:
            if out.fs_path in outs:
                out.repo.scm_context.ignore_remove(out.fs_path)
                out.repo.scm._reset()  # it remembers the lines

    def entry(self) -> Entry:
        """Return the entry as it will stand in dvc.lock."""
        entry: Entry = to_single_stage_lockfile(self.dvc)
        return entry


def _is_of_missing(change: Change, renewed: Collection[str]) -> bool:
    """Tell whether the change is of missing data. renewed: deps that count all the same."""
    if change.kind is ChangeKind.OUT:
        return change.what in ("deleted", "not in cache")
    return change.what == "deleted" and change.where not in renewed


def _locked_entry(stage: DVCStage) -> Entry:
    """Read the stage's entry in dvc.lock; empty where it has none."""
    if not isinstance(stage, PipelineStage):
        return {}
    entry: Entry = stage.dvcfile.lockfile_contents.get("stages", {}).get(stage.name, {})
    return entry
