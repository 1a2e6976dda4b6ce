"""One stage: what DVC knows of it, what changed, and how it is brought up to date."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dulwich.file import FileLocked
from dvc.dependency import ParamsDependency
from dvc.env import DVC_ROOT, DVC_STAGE
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage
from dvc.stage.cache import _can_hash, _get_stage_hash
from dvc.stage.loader import StageLoader
from dvc.stage.run import _make_cmd, get_executable, prepare_kwargs
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.stage.utils import check_missing_outputs
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

from pipeline.errors import PipelineError
from pipeline.journal import Entry, Key
from pipeline.repository.changes import MISSING, Change, param_changes
from pipeline.settings import Settings, settings_of

if TYPE_CHECKING:
    from pipeline.repository.repository import Repository

FAILURES = (DvcException, OSError, UnicodeError, FileLocked)
Assumed = Mapping[str, str | None]
NOTHING: Assumed = MappingProxyType({})
UNKNOWN = "?"  # a hash that is not known yet


def message(e: BaseException) -> str:
    """What a user reads of one of FAILURES."""
    cause = f": {e.__cause__}" if e.__cause__ else ""
    if isinstance(e, OSError) and e.filename:
        return f"{e.filename}: {e.strerror}"
    return f"{e}{cause}"


class Stage:
    """One stage of the graph, with what DVC knows of it and what the runner does to it."""

    def __init__(self, repository: "Repository", stage: DVCStage) -> None:
        self.repository = repository
        self.dvc = stage
        self.upstream: list[Stage] = []
        self.name: str = stage.addressing
        self.locked = repository.lock_entry(stage)
        self.adopted = False  # its entry is of a killed run and not in dvc.lock yet
        for item in [*stage.deps, *stage.outs]:
            if item.protocol == "local" and not isinstance(item, ParamsDependency):
                item._build = partial(repository.memo.build, item, item._build)

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def key(self) -> Key:
        file = os.path.relpath(self.dvc.path, self.repository.root)
        return (file, getattr(self.dvc, "name", None) or "")

    @property
    def group(self) -> str:
        """Its name in dvc.yaml: of the foreach or matrix stage, for one that was made from it."""
        return str(self.dvc.raw_data.generated_from or self.key[1])

    @property
    def slug(self) -> str:
        """For file names."""
        slug = re.sub(r"[^\w.@-]", "_", self.name)[:100]
        return slug if slug == self.name else f"{slug}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    @cached_property
    def settings(self) -> Settings:
        return settings_of(f"{self.file}: stage '{self.name}'", self.dvc.meta)

    @property
    def has_entry(self) -> bool:
        """In dvc.lock; data sources and imports have .dvc files."""
        return isinstance(self.dvc, PipelineStage)

    @property
    def has_command(self) -> bool:
        """Frozen stages, data sources and imports run none: DVC itself brings them up to date."""
        return bool(self.dvc.cmd) and not self.dvc.frozen

    @property
    def commands(self) -> list[str]:
        cmd = self.dvc.cmd
        return cmd if isinstance(cmd, list) else str(cmd).splitlines()

    def argv(self, command: str) -> Any:
        """What runs the command: the user's shell, as DVC starts it."""
        return _make_cmd(get_executable(), command)

    @property
    def environment(self) -> dict[str, str]:
        env: dict[str, str] = prepare_kwargs(self.dvc)["env"]
        assert {DVC_ROOT, DVC_STAGE} <= env.keys()
        return env

    @property
    def wdir(self) -> Path:
        return Path(self.dvc.wdir)

    @cached_property
    def dep_paths(self) -> list[str]:
        """Absolute paths of local deps, params files apart."""
        return [d.fs_path for d in self.dvc.deps if d.protocol == "local" and not isinstance(d, ParamsDependency)]

    @property
    def relative_outside(self) -> list[str]:
        """Deps outside the repository that the stage names by a relative path, `../shared/rows.csv`."""
        return [
            d.fs_path
            for d in self.dvc.deps
            if d.protocol == "local" and not os.path.isabs(d.def_path) and not d.is_in_repo
        ]

    @property
    def file(self) -> str:
        """Where it is declared, relative to the current folder."""
        return str(os.path.relpath(self.dvc.path))

    @property
    def frozen(self) -> bool:
        return bool(self.dvc.frozen)

    @property
    def keeps_outs(self) -> bool:
        """Bringing it up to date reads its outs and writes none: data sources and frozen stages."""
        return not self.has_command and not (self.dvc.is_import and not self.dvc.frozen)

    @property
    def params(self) -> dict[Path, list[str]]:
        """Params files and the declared keys; no keys: the whole file."""
        return {Path(d.fs_path): list(d.params) for d in self.dvc.deps if isinstance(d, ParamsDependency)}

    @property
    def outputs(self) -> dict[Path, bool]:
        """Absolute paths of local outs, and whether they persist."""
        return {Path(o.fs_path): bool(o.persist) for o in self.dvc.outs if o.protocol == "local"}

    def files(self, folder: Path) -> Iterator[Path]:
        """The files of a folder dep that count, .dvcignore heeded."""
        for root, _, names in self.dvc.repo.dvcignore.walk(self.dvc.repo.fs, str(folder)):
            yield from (Path(root, name) for name in names)

    def params_of(self, path: Path) -> Any:
        """The parsed params file."""
        return self.repository.memo.load_path(str(path), self.dvc.repo.fs)

    # What changed

    def changes(self, assumed: Assumed = NOTHING) -> list[Change]:
        """Why `dvc repro` would run the stage; none: it is unchanged.

        `assumed` has the hashes that paths will have after upstream stages; None where that is not known: such
        deps are left out.
        """
        s = self.dvc
        if self.has_entry and not self.locked and not s.frozen:
            return [Change("cmd", self.name, "never ran")]
        try:
            found = self._command_changes()
            if not s.frozen:
                if s.is_callback or s.always_changed:
                    found.append(
                        Change("always", self.name, "always_changed" if s.always_changed else "no deps or outs")
                    )
                for dep in s.deps:
                    found += self._dep_changes(dep, assumed)
            for out in s.outs:
                found += [Change("out", where, what) for where, what in out.status().items()]
        except FAILURES as e:
            raise PipelineError(f"stage '{self.name}': {message(e)}") from None
        return found

    def _command_changes(self) -> list[Change]:
        if not self.dvc.changed_stage():
            return []
        return [Change("cmd", self.name, "changed", None, self.locked.get("cmd"), self.dvc.cmd)]

    def _dep_changes(self, dep: Output, assumed: Assumed) -> list[Change]:
        if dep.fs_path in assumed:
            value = assumed[dep.fs_path]
            return [] if value in (None, dep.hash_info.value) else [Change("dep", str(dep))]
        if not isinstance(dep, ParamsDependency):
            return [Change("dep", where, what) for where, what in dep.status().items()]
        found = []
        for where, what in dep.status().items():
            if isinstance(what, str):
                found.append(Change("param", where, what))
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
        before = self.locked
        if entry is not None:
            self.adopt(entry)
            self.adopted = not self.changes()
            if not self.adopted:
                self.adopt(before)
        return self.adopted

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
            self.repository.memo.forget(out.fs_path)
        if not isinstance(self.dvc, PipelineStage):
            self.dvc.dump(update_pipeline=False)

    def _complete(self, assumed: Assumed) -> bool:
        """Whether all inputs are there, or will be."""
        deps = [d for d in self.dvc.deps if d.fs_path not in assumed]
        if not all(d.exists for d in deps):
            return False
        return all(set(d.params) <= d.read_params().keys() for d in deps if isinstance(d, ParamsDependency))

    @contextmanager
    def _assuming(self, assumed: Assumed) -> Iterator[None]:
        """The stage as it is after its deps were saved, with the assumed hashes; afterwards as it was."""
        before = [(dep, dict(vars(dep))) for dep in self.dvc.deps]
        try:
            for dep in self.dvc.deps:
                if dep.fs_path in assumed:
                    dep.meta, dep.hash_info = Meta(), HashInfo("md5", assumed[dep.fs_path] or UNKNOWN)
                    dep.get_hash = lambda hash_info=dep.hash_info: hash_info
                else:
                    dep.save()
            yield
        finally:
            for dep, attributes in before:
                vars(dep).clear()
                vars(dep).update(attributes)

    def cached(self, assumed: Assumed = NOTHING, *, pull: bool = False) -> Any:
        """The run that `dvc repro` would take from the run-cache in place of running: DVC's stage of it, or None."""
        s, cache = self.dvc, self.dvc.repo.stage_cache
        if not self._complete(assumed):
            return None
        same = self._is_as_locked(assumed)
        with self._assuming(assumed):
            if not _can_hash(s):
                return None
            entry = to_single_stage_lockfile(s) if same else _known_run(s)
            stage = cache._create_stage(entry, wdir=s.wdir) if entry else None
            if stage is not None and pull:
                for objects in stage.get_used_objs().values():
                    s.repo.cloud.pull(objects)
            return stage if stage is not None and stage.outs_cached() else None

    def cached_hashes(self, assumed: Assumed) -> dict[str, str]:
        """The hash of each out that the run-cache would restore."""
        return {o.fs_path: o.hash_info.value for o in self.cached(assumed).outs}

    def reload(self) -> None:
        """What dvc.lock says by now, after another process may have written it."""
        if isinstance(self.dvc, PipelineStage):
            self.dvc.dvcfile._reset()
            self.adopt(self.repository.lock_entry(self.dvc))

    def pull_inputs(self) -> None:
        for dep in self.dvc.deps:
            if not isinstance(dep, ParamsDependency) and dep.protocol == "local" and not dep.exists:
                self.repository.pull(dep.fs_path)

    def pull_outputs(self, changes: Sequence[Change]) -> bool:
        """Pulls the outs if they are all that is missing; True: the stage is then unchanged."""
        if any(c.kind != "out" or c.what not in ("deleted", "not in cache") for c in changes):
            return False
        try:
            self.repository.pull(self.name)
        except FAILURES:
            return False
        return not self.changes()

    def _is_as_locked(self, assumed: Assumed) -> bool:
        """Whether command and deps, as far as known, are those of dvc.lock: its outs may then be in the cache."""
        if self.dvc.changed_stage() or not all(o.hash_info for o in self.dvc.outs):
            return False
        return not any(self._dep_changes(dep, assumed) for dep in self.dvc.deps)

    def may_be_cached(self, assumed: Assumed) -> bool:
        """Whether the run-cache knows a run of the same command, outs and params, and the same deps as far as known."""
        if not self._complete(assumed):
            return False
        with self._assuming(assumed):
            if not _can_hash(self.dvc):
                return False
            own = to_single_stage_lockfile(self.dvc)
        if self._is_as_locked(assumed):
            return True
        return any(_alike(own, entry) for entry in self.repository.runs.get(run_key(own), ()))

    def restore(self, cached: Any) -> None:
        self.dvc.remove_outs(ignore_remove=False, force=False)
        cached.checkout()
        self.save()

    def clear(self) -> None:
        """Before the command: persistent outs become writable, and in the workspace the others go."""
        self.dvc.remove_outs(ignore_remove=False, force=False)

    def save(self) -> None:
        """After the command: hashes deps and outs, and puts outs and run into the cache, as DVC does."""
        s = self.dvc
        for path in filter(os.path.isdir, self.dep_paths):
            self.repository.memo.forget(path)  # the command read what is there now, not what was there at the plan
        for out in s.outs:
            self.repository.memo.forget(out.fs_path)
            out.ignore = lambda: None  # its line follows in plan order, by `ignore`
        check_missing_outputs(s)
        uncached = any(not out.use_cache for out in s.outs if not (out.is_metric or out.is_plot))
        s.save(run_cache=not uncached)
        s.commit()

    def outs_changed(self) -> bool:
        """Whether the outs are others by now than when the stage was saved."""
        for out in self.dvc.outs:
            self.repository.memo.forget(out.fs_path)
        return any(out.workspace_status() for out in self.dvc.outs)

    def ignore(self) -> None:
        """The outs' lines in .gitignore."""
        for out in self.dvc.outs:
            folder, name = os.path.split(out.fs_path)
            if f"/{name}" not in self.repository.memo.lines(os.path.join(folder, ".gitignore")):
                type(out).ignore(out)

    def entry(self) -> Entry:
        """As it stands in dvc.lock."""
        made: Entry = to_single_stage_lockfile(self.dvc)
        return made


def _known_run(stage: DVCStage) -> Entry | None:
    """The newest run of the run-cache. DVC fails on a folder that is empty since its process was killed."""
    cache = stage.repo.stage_cache
    folder = Path(cache._get_cache_dir(_get_stage_hash(stage)))
    return cache._load(stage) if folder.is_dir() and any(folder.iterdir()) else None


def run_key(entry: Entry) -> str:
    """The same for all runs of a command with the same outs."""
    return repr((entry["cmd"], [out["path"] for out in entry.get("outs", [])]))


def _alike(own: Entry, entry: Entry) -> bool:
    hashes = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
    mine = {dep["path"]: dep.get("md5") for dep in own.get("deps", [])}
    return (
        own.get("params", {}) == entry.get("params", {})
        and hashes.keys() == mine.keys()
        and all(value in (UNKNOWN, hashes[path]) for path, value in mine.items())
    )
