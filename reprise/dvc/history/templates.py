"""Resolves stages of dvc.yaml as they would be if params had other values."""

import io
import json
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from dvc.parsing import DataResolver
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage
from dvc.utils.serialize import load_path

Param = tuple[str, str]  # params file, from the root, and dotted key


def resolve_templates(repo: Repo, named: Iterable[Param]) -> Iterable[tuple[DVCStage, Any]]:
    """Resolve the stages that have `${…}` in them, as DVC does.

    named: params whose names stand in place of their values, wherever and however these are used.
    A stage is left out that there would not be, such as one of a foreach.
    """
    keys: dict[str, list[str]] = {}
    for file, key in named:
        path = repo.fs.normpath(repo.fs.join(repo.root_dir, file))
        keys.setdefault(path, []).append(key)
    view = SimpleNamespace(fs=_NamedParams(repo.fs, keys), config=repo.config)
    resolvers: dict[str, DataResolver] = {}
    for stage in repo.index.stages:
        if not isinstance(stage, PipelineStage) or not stage.raw_data.parametrized:
            continue
        if stage.path not in resolvers:
            folder = repo.fs.parent(stage.path)
            resolvers[stage.path] = DataResolver(view, folder, stage.dvcfile.contents)
        resolver = resolvers[stage.path]
        if resolver.has_key(stage.name):
            yield stage, resolver.resolve_one(stage.name)[stage.name]


class _NamedParams:
    """Stands for a file system in which some params have their names in place of their values."""

    def __init__(self, fs: Any, keys: Mapping[str, list[str]]) -> None:
        """keys: of each params file, by its absolute path."""
        self._fs = fs
        self._keys = keys

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fs, name)

    def suffix(self, path: str) -> str:
        """Return the file's suffix, by which DVC chooses how to read it."""
        if self._fs.abspath(path) in self._keys:
            return ".json"
        suffix: str = self._fs.suffix(path)
        return suffix

    def open(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """Open the file; one with such params as JSON."""
        keys = self._keys.get(self._fs.abspath(path))
        if keys is None:
            return self._fs.open(path, *args, **kwargs)
        values = load_path(path, self._fs)
        for key in keys:
            _name_param(values, key)
        return io.StringIO(json.dumps(values, default=str))


def _name_param(values: Any, key: str) -> None:
    """Put the name of a param in place of its value, if the params have it."""
    *sections, last = key.split(".")
    for section in sections:
        values = values.get(section) if isinstance(values, dict) else None
    if isinstance(values, dict) and last in values:
        values[last] = key
