"""Tells what dvc.yaml, or a .dvc file, says of a stage."""

import hashlib
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from dvc.env import DVC_ROOT, DVC_STAGE
from dvc.stage import PipelineStage
from dvc.stage import Stage as DVCStage
from dvc.stage.run import _make_cmd, _warn_if_fish, get_executable, prepare_kwargs

from reprise.dvc.deps import data_deps, local_items, params_deps
from reprise.dvc.lock_file import Key
from reprise.dvc.settings import Settings, parse_settings

# Of Prefect's settings, under all their names: a worker has them in its environment, and with them
# a command could do on the server what the worker may.
SECRETS = (
    "PREFECT_API_AUTH_STRING",
    "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_API_DATABASE_PASSWORD",
    "PREFECT_API_KEY",
    "PREFECT_CLIENT_CUSTOM_HEADERS",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_DATABASE_PASSWORD",
    "PREFECT_SERVER_DOCKET_URL",
)


class Declaration:
    """Holds one stage as it is declared. Paths are absolute unless a docstring says otherwise."""

    def __init__(self, stage: DVCStage, root: Path) -> None:
        """Take DVC's stage, and the root of the repository."""
        self.dvc = stage
        # As DVC addresses it from the current folder.
        self.name: str = stage.addressing
        # What identifies it in the repository, whatever the current folder is.
        in_file: str = getattr(stage, "name", None) or ""
        self.key: Key = (os.path.relpath(stage.path, root), in_file)
        # The dvc.yaml or .dvc file that declares it.
        self.declared_in = Path(stage.path)
        # The folder in which its command runs.
        self.wdir = Path(stage.wdir)
        # DVC does not look whether a frozen stage changed, and does not run it.
        self.frozen = bool(stage.frozen)
        # DVC warns of that, but for imports: they are frozen as a rule.
        self.ignores_deps = self.frozen and not stage.is_import
        # Its results stand in dvc.lock; data sources and imports have .dvc files.
        self.has_entry = isinstance(stage, PipelineStage)
        # Frozen stages, data sources and imports run none: DVC itself brings them up to date.
        self.has_command = bool(stage.cmd) and not self.frozen

    def __repr__(self) -> str:
        """Return the stage's name."""
        return self.name

    @cached_property
    def dvc(self) -> DVCStage:
        """Return DVC's own stage."""
        raise NotImplementedError  # it is set, but by a subclass that makes it when it is needed

    # Its names

    @property
    def group(self) -> str:
        """Return its name in dvc.yaml: of the foreach or matrix stage, for one made from it."""
        return str(self.dvc.raw_data.generated_from or self.key[1])

    @property
    def item(self) -> str:
        """Return the item's name of a foreach or matrix stage; empty for other stages."""
        return self.key[1].removeprefix(self.group).removeprefix("@")

    @property
    def slug(self) -> str:
        """Return a name for files of the stage."""
        slug = re.sub(r"[^\w.@-]", "_", self.name)[:100]
        if slug == self.name:
            return slug
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return f"{slug}-{digest[:8]}"

    @property
    def file(self) -> str:
        """Return the path of the file that declares it, relative to the current folder."""
        return os.path.relpath(self.declared_in)

    @cached_property
    def settings(self) -> Settings:
        """Return the runner's settings. Raises PipelineError when they are wrong."""
        return parse_settings(f"{self.file}: stage '{self.name}'", self.dvc.meta)

    @property
    def keeps_outs(self) -> bool:
        """Tell whether bringing it up to date reads its outs and writes none.

        So it is with data sources and frozen stages.
        """
        if self.has_command:
            return False
        return self.frozen or not self.dvc.is_import

    # Its command

    @property
    def commands(self) -> list[str]:
        """Return the commands, in order."""
        cmd = self.dvc.cmd
        if isinstance(cmd, list):
            return cmd
        return str(cmd).splitlines()

    def argv(self, command: str) -> Any:
        """Return what runs the command: the user's shell, as DVC starts it."""
        executable = get_executable()
        _warn_if_fish(executable)
        return _make_cmd(executable, command)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that the command sees, with DVC's own and without SECRETS."""
        env: dict[str, str] = prepare_kwargs(self.dvc)["env"]
        assert {DVC_ROOT, DVC_STAGE} <= env.keys()
        for name in SECRETS:
            env.pop(name, None)
        return env

    # Its files

    @property
    def is_local(self) -> bool:
        """Tell whether all deps and outs are files of this machine, and nothing is imported."""
        items = [*self.dvc.deps, *self.dvc.outs]
        return not self.dvc.is_import and len(local_items(items)) == len(items)

    @cached_property
    def dep_paths(self) -> list[str]:
        """Return the paths of local deps, params files apart."""
        return [dep.fs_path for dep in local_items(data_deps(self.dvc.deps))]

    @property
    def relative_outside(self) -> list[str]:
        """Return the paths of deps outside the repository that are named by a relative path.

        Such as `../shared/rows.csv`.
        """
        outside = [dep for dep in local_items(self.dvc.deps) if not dep.is_in_repo]
        return [dep.fs_path for dep in outside if not os.path.isabs(dep.def_path)]

    @property
    def params(self) -> dict[Path, list[str]]:
        """Return the params files and the declared keys; no keys: the whole file."""
        return {Path(dep.fs_path): list(dep.params) for dep in params_deps(self.dvc.deps)}

    @property
    def outputs(self) -> dict[Path, bool]:
        """Return the paths of local outs, and whether they persist."""
        return {Path(out.fs_path): bool(out.persist) for out in local_items(self.dvc.outs)}

    @property
    def kept_by_git(self) -> Iterator[Path]:
        """Iterate over the files and folders of its results that DVC leaves to git.

        Its .dvc file or dvc.lock, outs that are not cached, and .gitignore beside those that are.
        Some may not exist yet.
        """
        if self.has_entry:
            yield self.declared_in.with_suffix(".lock")
        else:
            yield self.declared_in
        for out in local_items(self.dvc.outs):
            path = Path(out.fs_path)
            if not out.is_in_repo:
                continue
            if out.use_cache:
                yield path.with_name(".gitignore")
            else:
                yield path

    def files(self, folder: Path) -> Iterator[Path]:
        """Iterate over the files of a folder dep that count: .dvcignore is heeded."""
        for root, _, names in self.dvc.repo.dvcignore.walk(self.dvc.repo.fs, str(folder)):
            for name in names:
                yield Path(root, name)
