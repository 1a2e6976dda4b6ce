"""What dvc.yaml, or a .dvc file, says of a stage."""

import hashlib
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.env import DVC_ROOT, DVC_STAGE
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage
from dvc.stage.run import _make_cmd, get_executable, prepare_kwargs

from reprise.dvc.lock_file import Key
from reprise.dvc.settings import Settings, settings_of


class Declaration:
    """One stage as it is declared. Paths are absolute, but where said."""

    def __init__(self, stage: DVCStage, root: Path) -> None:
        """`root`: of the repository."""
        self.dvc = stage
        self._root = root
        self.name: str = stage.addressing

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def key(self) -> Key:
        file = os.path.relpath(self.dvc.path, self._root)
        return (file, getattr(self.dvc, "name", None) or "")

    @property
    def group(self) -> str:
        """Its name in dvc.yaml: of the foreach or matrix stage, for one that was made from it."""
        return str(self.dvc.raw_data.generated_from or self.key[1])

    @property
    def item(self) -> str:
        """The item's name, of a stage that was made from a foreach or matrix stage; empty for others."""
        return self.key[1].removeprefix(self.group).removeprefix("@")

    @property
    def slug(self) -> str:
        """For file names."""
        slug = re.sub(r"[^\w.@-]", "_", self.name)[:100]
        return (
            slug
            if slug == self.name
            else f"{slug}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"
        )

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
        return [
            d.fs_path
            for d in self.dvc.deps
            if d.protocol == "local" and not isinstance(d, ParamsDependency)
        ]

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
        return {
            Path(d.fs_path): list(d.params)
            for d in self.dvc.deps
            if isinstance(d, ParamsDependency)
        }

    @property
    def outputs(self) -> dict[Path, bool]:
        """Absolute paths of local outs, and whether they persist."""
        return {Path(o.fs_path): bool(o.persist) for o in self.dvc.outs if o.protocol == "local"}

    @property
    def declared_in(self) -> Path:
        """The dvc.yaml or .dvc file."""
        return Path(self.dvc.path)

    @property
    def kept_by_git(self) -> Iterator[Path]:
        """Files of its results, absolute, that DVC leaves to git; folders too. Those that are there or may come to be.

        Its .dvc file or dvc.lock, outs that are not cached, and .gitignore beside those that are.
        """
        yield self.declared_in.with_suffix(".lock") if self.has_entry else self.declared_in
        for out in self.dvc.outs:
            if out.protocol == "local" and out.is_in_repo:
                yield (
                    Path(out.fs_path).with_name(".gitignore")
                    if out.use_cache
                    else Path(out.fs_path)
                )

    def files(self, folder: Path) -> Iterator[Path]:
        """The files of a folder dep that count, .dvcignore heeded."""
        for root, _, names in self.dvc.repo.dvcignore.walk(self.dvc.repo.fs, str(folder)):
            yield from (Path(root, name) for name in names)
