"""One stage: what changed since it was last up to date, and how it is brought up to date."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.output import Output
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.stage.utils import check_missing_outputs

from reprise.dvc.changes import MISSING, Change, ChangeKind, param_changes
from reprise.dvc.declaration import Declaration
from reprise.dvc.exceptions import DVC_ERRORS, describe_error
from reprise.dvc.lock_file import Entry
from reprise.dvc.run_cache import NOTHING, Assumed, CachedRun, has_inputs
from reprise.dvc.workspace import Workspace
from reprise.errors import PipelineError


class Stage(Declaration):
    """One stage of the graph, with what DVC knows of it and what the runner does to it."""

    def __init__(self, workspace: Workspace, stage: DVCStage) -> None:
        super().__init__(stage, workspace.root)
        self.workspace = workspace
        self.upstream: list[Stage] = []
        self.locked = _locked_entry(stage)
        self.adopted = False  # its entry is of a killed run and not in dvc.lock yet
        for item in [*stage.deps, *stage.outs]:
            if item.protocol == "local" and not isinstance(item, ParamsDependency):
                item._build = partial(workspace.file_cache.build, item, item._build)

    def params_of(self, path: Path) -> Any:
        """The parsed params file."""
        return self.workspace.file_cache.load_path(str(path), self.dvc.repo.fs)

    # What changed

    def changes(self, assumed: Assumed = NOTHING) -> list[Change]:
        """Why `dvc repro` would run the stage; none: it is unchanged.

        `assumed` has the hashes that paths will have after upstream stages; None where that is not known: such
        deps are left out.
        """
        s = self.dvc
        if self.has_entry and not self.locked and not s.frozen:
            return [Change(ChangeKind.CMD, self.name, "never ran")]
        try:
            found = self._command_changes()
            if not s.frozen:
                if s.is_callback or s.always_changed:
                    found.append(
                        Change(
                            ChangeKind.ALWAYS,
                            self.name,
                            "always_changed" if s.always_changed else "no deps or outs",
                        )
                    )
                for dep in s.deps:
                    found += self._dep_changes(dep, assumed)
            for out in s.outs:
                found += [
                    Change(ChangeKind.OUT, where, what) for where, what in out.status().items()
                ]
        except DVC_ERRORS as e:
            raise PipelineError(f"stage '{self.name}': {describe_error(e)}") from None
        return found

    def _command_changes(self) -> list[Change]:
        if not self.dvc.changed_stage():
            return []
        return [
            Change(ChangeKind.CMD, self.name, "changed", None, self.locked.get("cmd"), self.dvc.cmd)
        ]

    def _dep_changes(self, dep: Output, assumed: Assumed) -> list[Change]:
        if dep.fs_path in assumed:
            value = assumed[dep.fs_path]
            return (
                [] if value in (None, dep.hash_info.value) else [Change(ChangeKind.DEP, str(dep))]
            )
        if not isinstance(dep, ParamsDependency):
            return [Change(ChangeKind.DEP, where, what) for where, what in dep.status().items()]
        found = []
        for where, what in dep.status().items():
            if isinstance(what, str):
                found.append(Change(ChangeKind.PARAM, where, what))
                continue
            old, new = dep.hash_info.value or {}, dep.read_params()
            for key in what:
                found += param_changes(where, key, old.get(key, MISSING), new.get(key, MISSING))
        return found

    def adopt(self, entry: Entry) -> None:
        """Takes the entry for what dvc.lock says of the stage."""
        StageLoader.fill_from_lock(self.dvc, entry)
        self.dvc.cmd_changed = entry.get("cmd") != self.dvc.cmd
        self.locked = entry

    def adopt_if_current(self, entry: Entry | None) -> bool:
        """Adopts an entry that dvc.lock does not have yet, if the stage is unchanged by it."""
        before, self.adopted = self.locked, False
        if entry is not None:
            self.adopt(entry)
            self.adopted = not self.changes()
            if not self.adopted:
                self.adopt(before)
        return self.adopted

    def is_as_locked(self, assumed: Assumed) -> bool:
        """Whether command and deps, as far as known, are those of dvc.lock: its outs may then be in the cache."""
        if self.dvc.changed_stage() or not all(o.hash_info for o in self.dvc.outs):
            return False
        return not any(self._dep_changes(dep, assumed) for dep in self.dvc.deps)

    # Bringing it up to date

    def check_inputs(self) -> None:
        """PipelineError unless every dep exists and every params file has the declared keys."""
        for dep in self.dvc.deps:
            if dep.protocol == "local" and not dep.exists:
                raise PipelineError(f"dependency '{dep}' does not exist")
            if isinstance(dep, ParamsDependency):
                dep.get_hash()

    def settle(self) -> None:
        """DVC's way with stages that run no command: verify, import, save."""
        self.dvc.run()
        for out in self.dvc.outs:
            self.workspace.file_cache.forget(out.fs_path)
        if not isinstance(self.dvc, PipelineStage):
            self.dvc.dump(update_pipeline=False)

    def reload(self) -> None:
        """What dvc.lock says by now, after another process may have written it."""
        if isinstance(self.dvc, PipelineStage):
            self.dvc.dvcfile._reset()
            self.adopt(_locked_entry(self.dvc))

    def pull_inputs(self) -> None:
        for dep in self.dvc.deps:
            if not isinstance(dep, ParamsDependency) and dep.protocol == "local" and not dep.exists:
                self.workspace.pull(dep.fs_path)

    def pull_outputs(self, changes: Sequence[Change]) -> bool:
        """Pulls the outs if they are all that is missing; True: the stage is then unchanged."""
        if any(
            c.kind != ChangeKind.OUT or c.what not in ("deleted", "not in cache") for c in changes
        ):
            return False
        try:
            self.workspace.pull(self.name)
        except DVC_ERRORS:
            return False
        return not self.changes()

    def find_run(self, assumed: Assumed = NOTHING, *, pull: bool = False) -> CachedRun | None:
        """Find the run of the run-cache that `restore` can take; None where there is none.

        `assumed`: as in `changes`. `pull`: fetches the run's outs from the remote.
        """
        if not has_inputs(self.dvc, assumed):
            return None
        is_as_locked = self.is_as_locked(assumed)
        return self.workspace.run_cache.find(
            self.dvc, assumed, is_as_locked=is_as_locked, pull=pull
        )

    def may_find_run(self, assumed: Assumed) -> bool:
        """Tell whether the run-cache may have a run of the stage, once the assumed hashes are known."""
        if not has_inputs(self.dvc, assumed):
            return False
        is_as_locked = self.is_as_locked(assumed)
        return self.workspace.run_cache.may_find(self.dvc, assumed, is_as_locked=is_as_locked)

    def restore(self, run: CachedRun) -> None:
        """Put a run's outs into the workspace, and save the stage."""
        self.dvc.remove_outs(ignore_remove=False, force=False)
        run.checkout()
        self.save()

    def clear(self) -> None:
        """Before the command: persistent outs become writable, and in the workspace the others go."""
        self.dvc.remove_outs(ignore_remove=False, force=False)

    def save(self) -> None:
        """After the command: hashes deps and outs, and puts outs and run into the cache, as DVC does."""
        s = self.dvc
        for path in filter(os.path.isdir, self.dep_paths):
            self.workspace.file_cache.forget(
                path
            )  # the command read what is there now, not what was there at the plan
        for out in s.outs:
            self.workspace.file_cache.forget(out.fs_path)
            out.ignore = lambda: None  # its line follows in plan order, by `ignore`
        check_missing_outputs(s)
        uncached = any(not out.use_cache for out in s.outs if not (out.is_metric or out.is_plot))
        s.save(run_cache=not uncached)
        s.commit()

    def outs_changed(self) -> bool:
        """Whether the outs are others by now than when the stage was saved."""
        for out in self.dvc.outs:
            self.workspace.file_cache.forget(out.fs_path)
        return any(out.workspace_status() for out in self.dvc.outs)

    def ignore(self) -> None:
        """The outs' lines in .gitignore."""
        for out in self.dvc.outs:
            folder, name = os.path.split(out.fs_path)
            if f"/{name}" not in self.workspace.file_cache.lines(
                os.path.join(folder, ".gitignore")
            ):
                type(out).ignore(out)

    def entry(self) -> Entry:
        """As it stands in dvc.lock."""
        made: Entry = to_single_stage_lockfile(self.dvc)
        return made


def _locked_entry(stage: DVCStage) -> Entry:
    """Read the stage's entry in dvc.lock; empty where it has none."""
    if not isinstance(stage, PipelineStage):
        return {}
    entry: Entry = stage.dvcfile.lockfile_contents.get("stages", {}).get(stage.name, {})
    return entry
