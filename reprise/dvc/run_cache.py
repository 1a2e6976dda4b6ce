"""Finds in DVC's run-cache the run that `dvc repro` would take in place of running a stage."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from dvc.config import RemoteConfigError
from dvc.exceptions import CollectCacheError
from dvc.fs import HTTPFileSystem, generic, localfs
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import Stage as DVCStage
from dvc.stage.cache import _can_hash, _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

from reprise.dvc.deps import local_items, params_deps
from reprise.dvc.lock_file import Entry
from reprise.dvc.parsed.runs import read_runs
from reprise.errors import PipelineError

# The hashes that paths will have after upstream stages; None where that is not known.
Assumed = Mapping[str, str | None]
NOTHING: Assumed = MappingProxyType({})

UNKNOWN = "?"  # stands for a hash that is not known yet


class CachedRun:
    """Holds a run of the run-cache, whose outs are in the cache."""

    def __init__(self, stage: DVCStage, file: Path | None) -> None:
        """Take the stage that DVC made of the run's entry.

        file: in which the run-cache has it; None for the run of dvc.lock.
        """
        self._stage = stage
        self.file = file

    @property
    def outs(self) -> Sequence[Output]:
        """Return the outs as the run left them."""
        outs: Sequence[Output] = self._stage.outs
        return outs

    @property
    def out_hashes(self) -> dict[str, str]:
        """Return the hash of each out, by absolute path."""
        hashes = {}
        for out in self.outs:
            hashes[out.fs_path] = out.hash_info.value
        return hashes

    def checkout(self) -> None:
        """Put the run's outs into the workspace."""
        self._stage.checkout()


class RunCache:
    """Looks for runs in the run-cache of one repository."""

    def __init__(self, repo: Repo) -> None:
        """Take DVC's repository; the cache is read when it is needed."""
        self._repo = repo

    def find(
        self, stage: DVCStage, assumed: Assumed, *, is_as_locked: bool, pull: bool
    ) -> CachedRun | None:
        """Find the run of the stage as it will be with the assumed hashes.

        As StageCache.restore of dvc.stage.cache. None where there is no run, or its outs are not
        in the cache. is_as_locked: the entry of dvc.lock is that run; pull: fetches the stage's
        runs from the remote, and the outs of the one that is found.
        """
        with _assuming(stage, assumed):
            if not _can_hash(stage):
                return None
            file = None
            if is_as_locked:
                entry = to_single_stage_lockfile(stage)
            else:
                key = _get_stage_hash(stage)
                if pull:
                    self._pull_runs(key)
                file, entry = self._newest(key)
            if not entry:
                return None
            run = self._repo.stage_cache._create_stage(entry, wdir=stage.wdir)
            remotes = {out.fs_path: out.remote for out in stage.outs}
            for out in run.outs:
                out.remote = remotes[out.fs_path]
            if pull:
                self._pull_outs(run)
            if not run.outs_cached():
                return None
            return CachedRun(run, file)

    @cached_property
    def remote_problem(self) -> str | None:
        """Say why the remote can't have runs; None where it can."""
        try:
            remote = self._remote
        except RemoteConfigError as e:
            return " ".join(str(e).split())
        if isinstance(remote.fs, HTTPFileSystem):
            return f"run-cache is not supported for http filesystem: {remote.path}"
        return None

    @cached_property
    def _remote(self) -> HashFileDB:
        cloud = self._repo.cloud
        remote: HashFileDB = cloud.get_remote_odb(None, "pull", hash_name="md5-dos2unix")
        return remote

    def _pull_runs(self, key: str) -> None:
        """Fetch the runs of one stage and its inputs, as StageCache.pull does those of all."""
        if self.remote_problem is not None:
            return
        remote = self._remote
        folder = remote.fs.join(remote.path, "runs", key[:2], key)
        if not remote.fs.exists(folder):
            return
        target = self._repo.stage_cache._get_cache_dir(key)
        for source in remote.fs.find(folder):
            name = remote.fs.name(source)
            generic.copy(remote.fs, source, localfs, os.path.join(target, name))

    def _pull_outs(self, run: DVCStage) -> None:
        """Fetch the run's outs. Where there is no remote, the cache may have them."""
        with suppress(RemoteConfigError, CollectCacheError):
            for remote, objects in run.get_used_objs().items():
                self._repo.cloud.pull(objects, odb=remote)

    def push(self, stage: DVCStage, run: CachedRun) -> None:
        """Push a run of the stage to the default remote, and its outs to theirs.

        Those with `push: false` stay here. Raises PipelineError when a file does not arrive, and
        what DVC raises.
        """
        if self.remote_problem is not None:
            raise PipelineError(self.remote_problem)
        kept_back = {out.fs_path for out in stage.outs if not out.can_push}
        failed: set[HashInfo] = set()
        for out in run.outs:
            if out.fs_path in kept_back:
                continue
            for remote, objects in out.get_used_objs().items():
                failed |= self._repo.cloud.push(objects, odb=remote).failed
        if failed:
            raise PipelineError(f"{len(failed)} files did not arrive at the remote")
        if run.file is not None:
            fs = self._remote.fs
            folder = fs.join(self._remote.path, "runs", *run.file.parts[-3:-1])
            fs.makedirs(folder, exist_ok=True)
            generic.copy(localfs, os.fspath(run.file), fs, fs.join(folder, run.file.name))

    def may_find(self, stage: DVCStage, assumed: Assumed, *, is_as_locked: bool) -> bool:
        """Tell whether a run of the same command, outs and params is known.

        Deps count as far as their hashes are known.
        """
        with _assuming(stage, assumed):
            if not _can_hash(stage):
                return False
            own = to_single_stage_lockfile(stage)
        if is_as_locked:
            return True
        return any(_is_alike(own, entry) for entry in self._known_runs.get(_key(own), ()))

    @cached_property
    def _known_runs(self) -> dict[str, list[Entry]]:
        """Read every run of the cache, as lock entries.

        Those of a command with the same outs stand together, under their `_key`.
        """
        cache = self._repo.stage_cache
        kept_in = Path(self._repo.tmp_dir, "reprise", "parsed", "runs.json")
        runs: dict[str, list[Entry]] = {}
        for entry in read_runs(
            Path(cache.cache_dir), kept_in, lambda path: cache._load_cache(*path.parts[-2:])
        ):
            runs.setdefault(_key(entry), []).append(entry)
        return runs

    def _newest(self, key: str) -> tuple[Path | None, Entry | None]:
        """Load the newest run of a stage and its inputs, and return its file too; as StageCache.

        None where there is none: a folder may be empty since its process was killed.
        """
        cache = self._repo.stage_cache
        folder = Path(cache._get_cache_dir(key))
        if not folder.is_dir():
            return None, None
        newest = max(folder.iterdir(), key=lambda file: file.stat().st_mtime, default=None)
        if newest is None:
            return None, None
        return newest, cache._load_cache(key, newest.name)


def has_inputs(stage: DVCStage, assumed: Assumed) -> bool:
    """Tell whether all of the stage's inputs are there, or will be, and are files of this machine.

    Deps with assumed hashes will be; of a params file, every declared key must be there.
    """
    if len(local_items(stage.deps)) < len(stage.deps):
        return False  # DVC keeps no such runs
    deps = [dep for dep in stage.deps if dep.fs_path not in assumed]
    for dep in deps:
        if not dep.exists:
            return False
    for params in params_deps(deps):
        values = params.read_params()
        if not values.keys() >= set(params.params):
            return False
    return True


def _key(entry: Entry) -> str:
    """Return what the runs of a stage have in common, whatever their inputs were."""
    outs = [out["path"] for out in entry.get("outs", [])]
    return repr((entry["cmd"], outs))


def _dep_hashes(entry: Entry) -> dict[str, str | None]:
    return {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}


@contextmanager
def _assuming(stage: DVCStage, assumed: Assumed) -> Iterator[None]:
    """Let the stage be as it is after its deps were saved, until the context ends.

    Deps with assumed hashes have those, or UNKNOWN.
    """
    before = [(dep, dict(vars(dep))) for dep in stage.deps]
    try:
        for dep in stage.deps:
            if dep.fs_path in assumed:
                dep.meta = Meta()
                dep.hash_info = HashInfo("md5", assumed[dep.fs_path] or UNKNOWN)
                dep.get_hash = lambda hash_info=dep.hash_info: hash_info
            else:
                dep.save()
        yield
    finally:
        for dep, attributes in before:
            vars(dep).clear()
            vars(dep).update(attributes)


def _is_alike(own: Entry, known: Entry) -> bool:
    """Tell whether a known run has the stage's own params and deps, as far as they are known."""
    if own.get("params", {}) != known.get("params", {}):
        return False
    own_deps = _dep_hashes(own)
    known_deps = _dep_hashes(known)
    if own_deps.keys() != known_deps.keys():
        return False
    return all(value in (UNKNOWN, known_deps[path]) for path, value in own_deps.items())
