"""DVC's run-cache: the known run that `dvc repro` would take in place of running a stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.repo import Repo
from dvc.stage import Stage as DVCStage
from dvc.stage.cache import _can_hash, _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

from reprise.dvc.lock_file import Entry
from reprise.dvc.stage import NOTHING, Assumed, Stage

UNKNOWN = "?"  # a hash that is not known yet


def find(stage: Stage, assumed: Assumed = NOTHING, *, pull: bool = False) -> Any:
    """DVC's stage of the run, for `Stage.restore`; None where there is none, or its outs are not in the cache.

    `assumed`: as in `Stage.changes`. `pull`: fetches the outs from the remote.
    """
    s, cache = stage.dvc, stage.dvc.repo.stage_cache
    if not _is_complete(s, assumed):
        return None
    same = stage.is_as_locked(assumed)
    with _assuming(s, assumed):
        if not _can_hash(s):
            return None
        entry = to_single_stage_lockfile(s) if same else _newest(s)
        found = cache._create_stage(entry, wdir=s.wdir) if entry else None
        if found is not None and pull:
            for objects in found.get_used_objs().values():
                s.repo.cloud.pull(objects)
        return found if found is not None and found.outs_cached() else None


def hashes(found: Any) -> dict[str, str]:
    """What `find` found: the hash of each out, by absolute path."""
    return {out.fs_path: out.hash_info.value for out in found.outs}


def may_find(stage: Stage, assumed: Assumed) -> bool:
    """Whether a run of the same command, outs and params is known, and of the same deps as far as they are known."""
    if not _is_complete(stage.dvc, assumed):
        return False
    with _assuming(stage.dvc, assumed):
        if not _can_hash(stage.dvc):
            return False
        own = to_single_stage_lockfile(stage.dvc)
    return stage.is_as_locked(assumed) or any(
        _alike(own, entry) for entry in stage.repository.runs.get(_key(own), ())
    )


def known_runs(repo: Repo) -> dict[str, list[Entry]]:
    """Every run of the cache, as lock entries; those of a command with the same outs together."""
    found: dict[str, list[Entry]] = {}
    for path in Path(repo.stage_cache.cache_dir).glob("*/*/*"):
        entry = repo.stage_cache._load_cache(path.parent.name, path.name)
        if entry:
            found.setdefault(_key(entry), []).append(entry)
    return found


def _key(entry: Entry) -> str:
    return repr((entry["cmd"], [out["path"] for out in entry.get("outs", [])]))


def _is_complete(stage: DVCStage, assumed: Assumed) -> bool:
    """Whether all inputs are there, or will be."""
    deps = [d for d in stage.deps if d.fs_path not in assumed]
    if not all(d.exists for d in deps):
        return False
    return all(
        set(d.params) <= d.read_params().keys() for d in deps if isinstance(d, ParamsDependency)
    )


@contextmanager
def _assuming(stage: DVCStage, assumed: Assumed) -> Iterator[None]:
    """The stage as it is after its deps were saved, with the assumed hashes; afterwards as it was."""
    before = [(dep, dict(vars(dep))) for dep in stage.deps]
    try:
        for dep in stage.deps:
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


def _newest(stage: DVCStage) -> Entry | None:
    """The newest run. DVC fails on a folder that is empty since its process was killed."""
    cache = stage.repo.stage_cache
    folder = Path(cache._get_cache_dir(_get_stage_hash(stage)))
    return cache._load(stage) if folder.is_dir() and any(folder.iterdir()) else None


def _alike(own: Entry, entry: Entry) -> bool:
    known = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
    mine = {dep["path"]: dep.get("md5") for dep in own.get("deps", [])}
    return (
        own.get("params", {}) == entry.get("params", {})
        and known.keys() == mine.keys()
        and all(value in (UNKNOWN, known[path]) for path, value in mine.items())
    )
