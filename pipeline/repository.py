"""DVC's repository, graph, stages, locks and lock files behind names of ours: the only module that imports dvc."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import dvc.dependency.param
import dvc.repo.graph
import dvc.rwlock
import dvc.schema
import networkx
import voluptuous
from dvc.dependency import ParamsDependency
from dvc.dvcfile import PROJECT_FILE, Lockfile
from dvc.env import DVC_ROOT, DVC_STAGE
from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.output import Output
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage
from dvc.stage.cache import _can_hash, _get_stage_hash
from dvc.stage.loader import StageLoader
from dvc.stage.run import _make_cmd, get_executable, prepare_kwargs
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.stage.utils import check_missing_outputs
from dvc.utils.serialize import load_path
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

from pipeline.errors import PipelineError
from pipeline.journal import Entry, Key
from pipeline.lock_file import with_entries
from pipeline.settings import Settings, settings_of

FAILURES = (DvcException, OSError)
_rwlock = dvc.rwlock.rwlock
_name_cycle = dvc.repo.graph.check_acyclic
_load_lock = Lockfile._load_yaml


@dataclass(frozen=True)
class Change:
    """One reason to run. kind: param, dep, out, cmd or always; where: the file; key: of a param, dotted."""

    kind: str
    where: str
    what: str = "modified"
    key: str | None = None
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        match self.kind:
            case "param" if self.key is None:
                return f"{self.where}: {self.what}"
            case "param":
                return f"{self.where}: {self.key} {_shown(self.old)} → {_shown(self.new)}"
            case "cmd":
                return f"command: {_shown(self.old)} → {_shown(self.new)}" if self.old else "never ran"
            case "always":
                return self.what
        return f"{self.where} {self.what}"


Assumed = Mapping[str, str | None]
NOTHING: Assumed = MappingProxyType({})
UNKNOWN = "?"  # a hash that is not known yet


LOCK_PART = "lock.part"  # dvc.lock while it is written, under DVC's lock


class _Missing:
    def __repr__(self) -> str:
        return "(none)"


MISSING = _Missing()


def _shown(value: Any) -> str:
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


class Repository:
    """An open DVC repository. Its methods, and those of its stages, are for one thread, under `lock()`."""

    def __init__(self) -> None:
        """Opens the repository around the current folder. PipelineError if there is none."""
        try:
            self._repo = Repo(_wait_for_lock=False)
        except DvcException as e:
            raise PipelineError(e) from None
        self.root = Path(self._repo.root_dir)
        self.temporary = Path(self._repo.tmp_dir) / "reprise"
        self._claims: dict[Stage, AbstractContextManager[None]] = {}
        self.memo = _Memo()
        self._locks: dict[str, Any] = {}
        dvc.repo.graph.check_acyclic = _check_acyclic
        dvc.schema.vol = SimpleNamespace(**{**vars(voluptuous), "Schema": _schema})
        # Stages are claimed as a whole, by `claim`; DVC's methods need not claim their parts again and again.
        dvc.rwlock.rwlock = lambda *_, **__: nullcontext()
        dvc.rwlock._edit_rwlock = _edit_claims
        dvc.dependency.param.load_path = self.memo.load_path
        Lockfile._load_yaml = lambda file: self.memo.load_lock(file)
        self._repo.state.links.close = lambda: None  # DVC opens and closes this database for each file

    @contextmanager
    def lock(self, waiting: Callable[[str], None]) -> Iterator[None]:
        """DVC's own lock around its state, waited for as long as another process holds it."""
        while True:
            try:
                self._repo.lock.lock()
                break
            except LockError:
                waiting("another DVC process")
        try:
            yield
        finally:
            self._repo.lock.unlock()

    def steps(
        self, targets: Sequence[str], *, downstream: bool = False, single_item: bool = False, everything: bool = False
    ) -> list["Stage"]:
        """The stages that `dvc repro` would go through, in its order, with their `upstream` among them.

        Raises PipelineError for what is wrong in the pipeline, whichever stage it is in.
        """
        try:
            graph = get_active_graph(self._repo.index.graph)
            chosen = [] if everything else [s for t in targets or [PROJECT_FILE] for s in self._collect(t)]
            nodes = chosen if single_item else _in_order(graph, chosen, downstream=downstream)
        except FAILURES as e:
            raise PipelineError(message(e)) from None
        stages = {node: Stage(self, node) for node in nodes}
        before: list[Stage] = []
        for node, stage in stages.items():
            # Single items are in the order in which they were named, whatever the graph says.
            stage.upstream = before[-1:] if single_item else [stages[n] for n in graph.successors(node) if n in stages]
            before.append(stage)
            assert stage.settings  # wrong ones are refused before anything runs
        return before

    def _collect(self, target: str) -> list[DVCStage]:
        """As `dvc repro` finds targets: stages, foreach groups, dvc.yaml and .dvc files; and outs as well."""
        path = os.path.abspath(target)
        stages = self._repo.index.stages
        found = [s for s in stages if path == s.path or any(out.fs_path == path for out in s.outs)]
        return found or collect_stages(self._repo, [target])

    def claim(self, stage: "Stage") -> str | None:
        """Marks the stage's files as in use, as `dvc repro` does; or says who uses them."""
        local = [d for d in stage.dvc.deps if d.protocol == "local"]
        claim = _rwlock(
            self._repo.tmp_dir,
            self._repo.fs,
            "reprise run",
            [d.fs_path for d in local],
            [o.fs_path for o in stage.dvc.outs],
            self._repo.config["core"].get("hardlink_lock", False),
        )
        try:
            claim.__enter__()
        except LockError as e:
            return next((line.strip() for line in str(e).splitlines() if "(PID" in line), str(e).splitlines()[0])
        self._claims[stage] = claim
        return None

    def release(self, stage: "Stage") -> None:
        if stage in self._claims:
            self._claims.pop(stage).__exit__(None, None, None)

    def release_all(self) -> None:
        for stage in [*self._claims]:
            self.release(stage)

    def write_locks(self, stages: Iterable["Stage"]) -> None:
        """Writes each lock file once, whole or not at all. `stages` in plan order, as `dvc repro` writes them."""
        by_file: dict[str, list[Stage]] = {}
        for stage in stages:
            by_file.setdefault(stage.dvc.dvcfile._lockfile.path, []).append(stage)
        for path, changed in by_file.items():
            file = Path(path)
            old = file.read_text(encoding="utf-8") if file.exists() else ""
            text = with_entries(old, {stage.key[1]: stage.entry() for stage in changed})
            if text != old:
                _replace(file, text, self.temporary / LOCK_PART)
                self._repo.scm_context.track_file(os.path.relpath(path))

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """Lists or stages the changed files at the end, by DVC's `core.autostage`."""
        with self._repo.scm_context:
            yield
            self._repo.scm_context.ignored_paths = []  # what finished stays, whatever failed

    def forget(self, path: Path) -> None:
        self.memo.forget(os.fspath(path))

    def forget_all(self) -> None:
        """After something may have written anywhere."""
        self.memo.forget_all()

    def pull(self, target: str) -> None:
        """`dvc pull`, by a process of its own lock depth: this one holds the lock already."""
        self._repo._lock_depth += 1
        try:
            self._repo.pull(target)
        finally:
            self._repo._lock_depth -= 1
        self.memo.forget_all()

    def remove_debris(self, stages: Iterable["Stage"]) -> None:
        """What DVC was writing when its process was killed: `.<22 characters>.tmp` files, empty run-cache folders."""
        runs = [*Path(self._repo.stage_cache.cache_dir).glob("*/*")]
        for folder in {*runs, *(out.parent for stage in stages for out in stage.outputs)}:
            for path in folder.glob(".*.tmp") if folder.is_dir() else ():
                if re.fullmatch(r"\.[\w-]{22}\.tmp", path.name):
                    path.unlink()
        for folder in runs:
            if not any(folder.iterdir()):
                folder.rmdir()

    def pull_runs(self) -> None:
        self._repo.stage_cache.pull(None)

    @cached_property
    def runs(self) -> dict[str, list[Entry]]:
        """Every run that the run-cache knows, as lock entries by command and outs."""
        found: dict[str, list[Entry]] = {}
        for path in Path(self._repo.stage_cache.cache_dir).glob("*/*/*"):
            entry = self._repo.stage_cache._load_cache(path.parent.name, path.name)
            if entry:
                found.setdefault(_run_key(entry), []).append(entry)
        return found

    def lock_entry(self, stage: DVCStage) -> Entry:
        if not isinstance(stage, PipelineStage):
            return {}
        found: Entry = stage.dvcfile.lockfile_contents.get("stages", {}).get(stage.name, {})
        return found


class _Memo:
    """Parsed params files and hashes of this run, so that nothing is read twice.

    Files are known by inode, size and time; folders until `forget` is told that something was written there.
    """

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[_Signature, Any]] = {}
        self._built: dict[str, tuple[_Signature | None, dict[Any, Any]]] = {}
        self._under: dict[str, set[str]] = {}  # folder: the paths in `_built` that lie in it

    def load_path(self, path: str, fs: Any, **kwargs: Any) -> Any:
        signature = _signature(path)
        if path not in self._parsed or self._parsed[path][0] != signature:
            self._parsed[path] = (signature, load_path(path, fs, **kwargs))
        return self._parsed[path][1]

    def lines(self, path: str) -> set[str]:
        """The file's lines; none if there is no file."""
        if not os.path.exists(path):
            return set()
        signature = _signature(path)
        if path not in self._parsed or self._parsed[path][0] != signature:
            with open(path, encoding="utf-8") as file:
                self._parsed[path] = (signature, set(file.read().splitlines()))
        found: set[str] = self._parsed[path][1]
        return found

    def load_lock(self, file: Lockfile) -> Any:
        """Lockfile._load_yaml: DVC reads and checks it anew for each stage."""
        path, signature = file.path, _signature(file.path)
        if path not in self._parsed or self._parsed[path][0] != signature:
            self._parsed[path] = (signature, _load_lock(file))
        return self._parsed[path][1]

    def build(self, item: Output, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Output._build: DVC's hash objects of a file or folder."""
        path, kind = item.fs_path, (item.hash_name, kwargs.get("dry_run", False))
        signature = None if os.path.isdir(path) else _signature(path)
        if path not in self._built or self._built[path][0] != signature:
            self._built[path] = (signature, {})
            for folder in Path(path).parents:
                self._under.setdefault(str(folder), set()).add(path)
        known = self._built[path][1]
        if kind not in known:
            known[kind] = original(*args, no_progress_bar=True, **kwargs)
        return known[kind]

    def forget(self, path: str) -> None:
        """What is known of the path, what lies in it, and the folders that it lies in."""
        for known in [path, *self._under.pop(path, ()), *map(str, Path(path).parents)]:
            self._built.pop(known, None)

    def forget_all(self) -> None:
        self._built.clear()
        self._under.clear()


_Signature = tuple[int, int, int]


def _signature(path: str) -> _Signature:
    s = os.stat(path)
    return (s.st_ino, s.st_size, s.st_mtime_ns)


class Stage:
    """One stage of the graph, with what DVC knows of it and what the runner does to it."""

    def __init__(self, repository: Repository, stage: DVCStage) -> None:
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
        return re.sub(r"[^\w.@-]", "_", self.name)

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
                found += _leaves(where, key, old.get(key, MISSING), new.get(key, MISSING))
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
        same = not self.changes_of_deps(assumed) and not s.changed_stage() and all(bool(o.hash_info) for o in s.outs)
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

    def changes_of_deps(self, assumed: Assumed) -> list[Change]:
        return [c for dep in self.dvc.deps for c in self._dep_changes(dep, assumed)]

    def may_be_cached(self, assumed: Assumed) -> bool:
        """Whether the run-cache knows a run of the same command, outs and params, and the same deps as far as known."""
        if not self._complete(assumed):
            return False
        with self._assuming(assumed):
            if not _can_hash(self.dvc):
                return False
            own = to_single_stage_lockfile(self.dvc)
        return any(_alike(own, entry) for entry in self.repository.runs.get(_run_key(own), ()))

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
        for out in s.outs:
            self.repository.memo.forget(out.fs_path)
            out.ignore = lambda: None  # its line follows in plan order, by `ignore`
        check_missing_outputs(s)
        uncached = any(not out.use_cache for out in s.outs if not (out.is_metric or out.is_plot))
        s.save(run_cache=not uncached)
        s.commit()

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


_schemas: dict[int, tuple[Any, voluptuous.Schema]] = {}


def _schema(schema: Any) -> voluptuous.Schema:
    """voluptuous.Schema, compiled once: DVC compiles the schema of a stage for each stage."""
    if id(schema) not in _schemas:
        _schemas[id(schema)] = (schema, voluptuous.Schema(schema))
    return _schemas[id(schema)][1]


def _in_order(graph: networkx.DiGraph, chosen: Sequence[DVCStage], *, downstream: bool) -> list[DVCStage]:
    """plan_repro of dvc.repo.reproduce, which walks the graph again for every chosen stage."""
    if chosen:
        step = graph.predecessors if downstream else graph.successors
        seen, queue = set(chosen), list(chosen)
        while queue:
            new = set(step(queue.pop())) - seen
            seen |= new
            queue += new
        graph = graph.subgraph(seen)
    return list(networkx.dfs_postorder_nodes(graph))


def _check_acyclic(graph: networkx.DiGraph) -> None:
    """DVC's own takes minutes on thousands of stages; it is asked only to name the stages of a cycle."""
    if not networkx.is_directed_acyclic_graph(graph):
        _name_cycle(graph)


@contextmanager
def _edit_claims(folder: str, _: Any, hardlink: bool) -> Iterator[dict[str, Any]]:
    """dvc.rwlock._edit_rwlock, but whole or not at all; DVC's own leaves half a file when it is killed."""
    path = Path(folder, dvc.rwlock.RWLOCK_FILE)
    guard = os.path.join(folder, dvc.rwlock.RWLOCK_LOCK)
    with make_lock(guard, tmp_dir=folder, hardlink_lock=hardlink):
        claims: dict[str, Any] = {}
        with suppress(FileNotFoundError, json.JSONDecodeError):
            claims = json.loads(path.read_text(encoding="utf-8"))
        claims = {
            "read": defaultdict(list, claims.get("read", {})),
            "write": defaultdict(dict, claims.get("write", {})),
        }
        yield claims
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(claims), encoding="utf-8")
        part.replace(path)


def _leaves(where: str, key: str, old: Any, new: Any) -> list[Change]:
    """The changed keys inside a changed value, dotted."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [k for k in dict.fromkeys([*old, *new]) if old.get(k, MISSING) != new.get(k, MISSING)]
        return [c for k in keys for c in _leaves(where, f"{key}.{k}", old.get(k, MISSING), new.get(k, MISSING))]
    return [Change("param", where, "modified", key, old, new)]


def _known_run(stage: DVCStage) -> Entry | None:
    """The newest run of the run-cache. DVC fails on a folder that is empty since its process was killed."""
    cache = stage.repo.stage_cache
    folder = Path(cache._get_cache_dir(_get_stage_hash(stage)))
    return cache._load(stage) if folder.is_dir() and any(folder.iterdir()) else None


def _run_key(entry: Entry) -> str:
    return repr((entry["cmd"], [out["path"] for out in entry.get("outs", [])]))


def _alike(own: Entry, entry: Entry) -> bool:
    hashes = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
    mine = {dep["path"]: dep.get("md5") for dep in own.get("deps", [])}
    return (
        own.get("params", {}) == entry.get("params", {})
        and hashes.keys() == mine.keys()
        and all(value in (UNKNOWN, hashes[path]) for path, value in mine.items())
    )


def _replace(path: Path, text: str, part: Path) -> None:
    """`part`: where to write it first, on the same file system; one of a killed run is written over."""
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as e:
        raise PipelineError(f"{path}: {e.strerror}; the journal keeps what finished for the next run") from None
    finally:
        part.unlink(missing_ok=True)


def message(e: BaseException) -> str:
    cause = f": {e.__cause__}" if e.__cause__ else ""
    if isinstance(e, OSError) and e.filename:
        return f"{e.filename}: {e.strerror}"
    return f"{e}{cause}"
