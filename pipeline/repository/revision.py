"""A commit or the working tree, as DVC sees it, read without a checkout."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.dvcfile import PROJECT_FILE
from dvc.exceptions import DvcException
from dvc.render.match import match_defs_renderers
from dvc.repo import Repo
from dvc.repo.plots import _resolve_data_sources
from dvc.scm import RevError, resolve_rev
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage
from dvc_data.hashfile import load
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

from pipeline.errors import PipelineError
from pipeline.git import redacted
from pipeline.repository.failures import FAILURES, message

WORKTREE = "the working tree"
Values = dict[str, dict[str, Any]]  # file: dotted key: value
Files = dict[str, Path]  # name of each file within a dep or out, its own name for a single file: where its bytes lie


@dataclass(frozen=True)
class Record:
    """A stage as dvc.lock, or a .dvc file, tells it. Paths are relative to the root.

    group: the foreach or matrix stage it was made from, or its own name; stale: what has changed since it ran;
    source: data of a .dvc file, which nothing makes.
    """

    name: str
    group: str
    wdir: str
    source: bool
    command: str | None
    deps: dict[str, str | None]
    params: Values
    outs: dict[str, str | None]
    stale: list[str]


@dataclass(frozen=True)
class Out:
    """cache: where its bytes may lie; None for an out that git keeps."""

    hash: HashInfo
    cache: HashFileDB | None


@dataclass
class Revision:
    """name: as it was asked for; commit: None for the working tree; metas: `meta` of outs by path."""

    name: str
    commit: str | None
    records: dict[str, Record] = field(default_factory=dict)
    metrics: Values = field(default_factory=dict)
    params: Values = field(default_factory=dict)
    metas: dict[str, tuple[str, Any]] = field(default_factory=dict)  # path: where it is declared, and what
    outs: dict[str, Out] = field(default_factory=dict, repr=False)
    errors: list[str] = field(default_factory=list)  # what could not be read, and what is not as recorded

    def hash_of(self, path: str) -> str | None:
        return self.outs[path].hash.value if path in self.outs else None


@dataclass(frozen=True)
class Plot:
    """A plot of dvc.yaml. points: of all revisions, each with its `rev`, `field`, and the values of x and y."""

    title: str
    template: str | None
    x: str
    y: str
    x_label: str
    y_label: str
    points: list[dict[str, Any]]


class Revisions:
    """Reads revisions of the repository around the current folder. PipelineError if there is none."""

    def __init__(self, temporary: Path) -> None:
        """temporary: a folder for what neither the workspace nor DVC's cache has."""
        try:
            self._repo = Repo(_wait_for_lock=False)
        except DvcException as e:
            raise PipelineError(e) from None
        self._temporary = temporary
        self._config = {key: self._repo.config[key] for key in ("core", "remote")}  # an old commit may name no remote
        self.root = Path(self._repo.root_dir)
        self.records = Path(self._repo.tmp_dir) / "reprise"  # of the runs in this working tree

    def commit(self, name: str) -> str:
        """The commit's hash. PipelineError if git knows no such revision."""
        try:
            return str(resolve_rev(self._repo.scm, name))
        except (RevError, DvcException):
            raise PipelineError(f"{name}: found no such revision; expected a branch, tag or commit of git") from None

    @property
    def has_commits(self) -> bool:
        return not self._repo.scm.no_commits

    def read(self, name: str, commit: str | None) -> Revision:
        """commit: None for the working tree. A commit without the DVC repository has no stages."""
        made = Revision(name, commit)
        try:
            with self._at(commit):
                for stage in self._repo.index.stages:
                    self._add(made, stage)
                made.metrics = _values(self._repo.metrics.show(hide_workspace=False), made.errors)
                made.params = _values(self._repo.params.show(hide_workspace=False), made.errors)
        except FAILURES as e:
            raise PipelineError(f"{name}: {message(e)}") from None
        return made

    @contextmanager
    def _at(self, commit: str | None) -> Iterator[None]:
        with self._repo.switch(commit) if commit is not None else nullcontext():
            yield

    def _path(self, path: str) -> str:
        return Path(os.path.relpath(path, self._repo.root_dir)).as_posix()

    def _add(self, made: Revision, stage: DVCStage) -> None:
        params = {
            self._path(d.fs_path): dict(_flat(d.hash_info.value or {}))
            for d in stage.deps
            if isinstance(d, ParamsDependency)
        }
        deps = {
            self._path(d.fs_path): d.hash_info.value
            for d in stage.deps
            if not isinstance(d, ParamsDependency) and d.protocol == "local"
        }
        outs = {self._path(o.fs_path): o for o in stage.outs if o.protocol == "local"}
        if made.commit is None:
            other = (p for p, o in outs.items() if o.hash_info and o.use_cache and o.exists and o.changed_checksum())
            made.errors += [f"{path} is not what DVC recorded; it was taken as it is" for path in other]
        pipeline = isinstance(stage, PipelineStage)
        file = self._path(stage.path)
        prefix = "" if file == PROJECT_FILE else f"{file}:"
        name = f"{prefix}{stage.name}" if pipeline else file
        locked = stage.dvcfile.lockfile_contents.get("stages", {}).get(stage.name, {}) if pipeline else {}
        made.records[name] = Record(
            name=name,
            group=f"{prefix}{stage.raw_data.generated_from}" if pipeline and stage.raw_data.generated_from else name,
            wdir=self._path(stage.wdir),
            source=not pipeline,
            command=locked.get("cmd"),
            deps=deps,
            params=params,
            outs={path: out.hash_info.value for path, out in outs.items()},
            stale=[*self._stale(stage)] if pipeline else [],
        )
        for path, out in outs.items():
            made.outs[path] = Out(out.hash_info, out.cache if out.use_cache else None)
            made.metas[path] = (f"{file}: out '{path}' of stage '{name}'", out.annot.meta)

    def _stale(self, stage: DVCStage) -> Iterator[str]:
        """What the revision has otherwise than dvc.lock says; what it hasn't at all may lie in the cache."""
        if stage.frozen:
            return
        if stage.changed_stage():
            yield "command"
        for dep in stage.deps:
            for what, how in dep.status().items():
                if isinstance(how, dict):
                    yield from how  # params keys
                elif how != "deleted":
                    yield what

    def files(self, revision: Revision, path: str) -> Files:
        """The bytes of a dep or out: where the working tree or DVC's cache has them; else they are fetched.

        Raises PipelineError when neither the workspace, the cache, git nor the remote has them.
        """
        out, place = revision.outs.get(path), self.root / path
        if revision.commit is None and place.exists():
            return files_at(place)
        if out is None or out.cache is None:
            return self._from_git(revision, path)
        cached = self._cached(out, place.name)
        if cached is None:
            try:
                revs = [revision.commit] if revision.commit is not None else None
                self._repo.fetch([os.path.relpath(place)], revs=revs, workspace=revs is None, config=self._config)
            except FAILURES as e:
                raise PipelineError(f"{path} of {revision.name}: not in DVC's cache: {redacted(message(e))}") from None
            cached = self._cached(out, place.name)
        if cached is None:
            raise PipelineError(f"{path} of {revision.name}: neither DVC's cache nor the remote has it")
        return cached

    def _cached(self, out: Out, name: str) -> Files | None:
        """Whole, or None."""
        if not out.hash or out.cache is None:
            return None
        found = {name: out.hash.value}
        if out.hash.isdir:
            try:
                tree = load(out.cache, out.hash)
            except (FileNotFoundError, ObjectFormatError):
                return None
            assert isinstance(tree, Tree)
            found = {"/".join(key): hash_info.value for key, _, hash_info in tree}
        places = {name: Path(out.cache.oid_to_path(value)) for name, value in found.items()}
        return places if all(p.exists() for p in places.values()) else None

    def _from_git(self, revision: Revision, path: str) -> Files:
        """Copies what git has of the out into the temporary folder."""
        with self._at(revision.commit):
            fs, source = self._repo.fs, self._repo.fs.join(self._repo.root_dir, path)
            if not fs.exists(source):
                raise PipelineError(f"{path} of {revision.name}: git does not have it")
            target = self._temporary / (revision.commit or "worktree") / path
            target.parent.mkdir(parents=True, exist_ok=True)
            fs.get(source, os.fspath(target))
        return files_at(target)

    def plots(self, revisions: Sequence[Revision]) -> tuple[list[Plot], set[str]]:
        """The plots that dvc.yaml declares, as `dvc plots show` draws them, images apart; and the files they read."""
        names = [r.commit or "workspace" for r in revisions]
        shown: dict[str, Any] = {}
        for found in self._repo.plots.collect(revs=names, onerror=_ignore_error):  # `show` complains on stderr
            _resolve_data_sources(found, "", cache=True)
            shown |= found
        made = []
        for renderer, _, _ in match_defs_renderers(shown, templates_dir=self._repo.plots.templates_dir):
            p = renderer.properties
            if renderer.TYPE == "vega" and p.get("x") and p.get("y"):
                labels = (str(p.get("x_label") or p["x"]), str(p.get("y_label") or p["y"]))
                made.append(Plot(str(p["title"]), p.get("template"), p["x"], p["y"], *labels, renderer.datapoints))
        read = {file for of in shown.values() for file in of.get("sources", {}).get("data", {})}
        return made, {file.lstrip("/") for file in read}


def _ignore_error(result: dict[str, Any], exception: Exception, *_: Any, **__: Any) -> None:
    """A plot that a revision lacks is left out."""
    result["error"] = exception


def files_at(place: Path) -> Files:
    """Of a folder, or the one file that it is."""
    if not place.is_dir():
        return {place.name: place}
    return {p.relative_to(place).as_posix(): p for p in sorted(place.rglob("*")) if p.is_file()}


def _values(shown: Mapping[str, Any], errors: list[str]) -> Values:
    """{file: {dotted key: value}} of what `dvc metrics show` or `dvc params show` found; errors are added to."""
    result = shown.get("", {})
    if "error" in result:
        errors.append(str(result["error"]))
    made: Values = {}
    for file, found in result.get("data", {}).items():
        if "error" in found:
            errors.append(f"{file}: {found['error']}")
        else:
            made[Path(file).as_posix()] = dict(_flat(found["data"]))
    return made


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
