"""Holds what stages need to know of the repository that they are in."""

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dvc.output import Output
from dvc.repo import Repo

from reprise.dvc.deps import data_deps, local_items, missing_inside
from reprise.dvc.file_cache import FileCache
from reprise.dvc.parsed.files import ParsedFiles
from reprise.dvc.run_cache import RunCache
from reprise.errors import PipelineError

LIST_IGNORED = ("--others", "--ignored", "--exclude-standard", "--directory")
MOST_UNMANAGED = 2000  # folders; each is a mount for every command

# Of MLflow, Weights & Biases, Lightning: each run reads what earlier ones left.
TRACKING_FOLDERS = ("mlruns", "mlartifacts", "wandb", "lightning_logs")


@dataclass
class Inventory:
    """Holds whose the files of the workspace are; all paths are absolute.

    data: every local out, and its stage or .dvc file. inputs: every local dep, but for params
    files, and the first stage with it. described_in: each dvc.yaml and .dvc file.
    """

    data: dict[str, str]
    inputs: dict[str, str]
    described_in: list[str]


class Workspace:
    """Holds a repository's folders, its run-cache, and what was read of its files."""

    def __init__(self, repo: Repo) -> None:
        """Take the folders from DVC; everything else is read when it is needed."""
        self._repo = repo
        self.root = Path(repo.root_dir)
        self.temporary = Path(repo.tmp_dir) / "reprise"
        self.file_cache = FileCache(ParsedFiles(self.temporary / "parsed"))
        self.run_cache = RunCache(repo)

    # Whose the files are

    @cached_property
    def inventory(self) -> Inventory:
        """Take from DVC's index whose the files are."""
        inventory = Inventory({}, {}, [])
        described_in = set()
        for stage in self._repo.index.stages:
            described_in.add(stage.path)
            for out in local_items(stage.outs):
                inventory.data[out.fs_path] = stage.addressing
            for dep in local_items(data_deps(stage.deps)):
                inventory.inputs.setdefault(dep.fs_path, stage.addressing)
        inventory.described_in += sorted(described_in)
        return inventory

    @cached_property
    def data(self) -> dict[Path, str]:
        """Map every local out, absolute, to its stage or .dvc file."""
        data = {}
        for path, owner in self.inventory.data.items():
            data[Path(path)] = owner
        return data

    @cached_property
    def recorded(self) -> dict[str, str]:
        """Map every local out with a hash in dvc.lock or a .dvc file, by absolute path, to it."""
        recorded = {}
        for out in local_items(self._repo.index.outs):
            if out.hash_info.value:
                recorded[out.fs_path] = out.hash_info.value
        return recorded

    def missing_in(self, path: str) -> list[Output]:
        """List the outs that are missing in a folder; none for a file."""
        if os.path.isfile(path):
            return []
        return missing_inside(path, local_items(self._repo.index.outs))

    @cached_property
    def inputs(self) -> dict[Path, str]:
        """Map every local dep, absolute, but for params files, to the first stage with it."""
        inputs = {}
        for path, reader in self.inventory.inputs.items():
            inputs[Path(path)] = reader
        return inputs

    @cached_property
    def dvc_files(self) -> list[Path]:
        """List the files in which DVC describes stages and data: dvc.yaml, dvc.lock and .dvc."""
        described = {*map(Path, self.inventory.described_in)}
        locks = {path.with_name("dvc.lock") for path in described if path.name == "dvc.yaml"}
        return sorted(filter(Path.is_file, described | locks))

    def owner(self, path: Path) -> str | None:
        """Say which stage writes or reads the path, or what lies in it; None where none does."""
        for above in (path, *path.parents):
            if above in self.data:
                return f"which stage '{self.data[above]}' writes"
            if above in self.inputs:
                return f"which stage '{self.inputs[above]}' reads"
        return None

    # What git says of them

    @cached_property
    def ignored(self) -> set[Path]:
        """Collect the files and folders that git ignores, absolute; none where there is no git."""
        ignored = set()
        for name in self._list_files(*LIST_IGNORED):
            ignored.add(self.root / name)
        return ignored

    @cached_property
    def tracked(self) -> frozenset[str]:
        """Collect the files that git tracks, relative to the root; none where there is no git."""
        return frozenset(self._list_files())

    @cached_property
    def _tracked_folders(self) -> set[Path]:
        """Collect the folders in which git tracks files, relative to the root."""
        folders: set[Path] = set()
        for name in self.tracked:
            folders.update(Path(name).parents)
        return folders

    def is_tracked(self, path: Path) -> bool:
        """Tell whether git tracks the path, or something in it."""
        name = os.path.relpath(path, self.root)
        return name in self.tracked or Path(name) in self._tracked_folders

    def _list_files(self, *options: str) -> list[str]:
        """Do `git ls-files`. Raises PipelineError if git refuses, as in another user's checkout."""
        command = ["git", "ls-files", "-z", *options]
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, check=False
        )
        if done.returncode != 0 and b"not a git repository" not in done.stderr:
            raise PipelineError(f"git ls-files: {os.fsdecode(done.stderr.strip()).splitlines()[0]}")
        return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]

    @cached_property
    def git_index(self) -> Path | None:
        """Return git's index file; None where there is no git, or nothing was ever added."""
        return next(filter(Path.is_file, self._git_paths), None)

    @cached_property
    def git_folders(self) -> list[Path]:
        """List the folders in which git keeps what it knows; none where there is no git.

        A worktree has one of its own beside that of its repository; both are elsewhere, as that of
        a submodule, or of a repository around this one.
        """
        return list(dict.fromkeys([*filter(Path.is_dir, self._git_paths)]))

    @cached_property
    def _git_paths(self) -> list[Path]:
        """List git's index file, its folder, and that of the repository; none without git."""
        options = ("--git-path", "index", "--git-dir", "--git-common-dir")
        command = ["git", "rev-parse", *options]
        done = subprocess.run(command, cwd=self.root, capture_output=True, check=False)
        paths = [os.path.join(self.root, os.fsdecode(name)) for name in done.stdout.splitlines()]
        return [*map(Path, map(os.path.normpath, paths))]

    @cached_property
    def cache(self) -> Path:
        """Return the folder of DVC's cache, which need not be there."""
        return Path(self._repo.cache.local.path).resolve()

    def is_cached_file(self, link: Path) -> bool:
        """Tell whether a symbolic link leads to a file in the cache."""
        target = Path(os.path.realpath(link))  # which may be a link that leads in a circle
        return link.is_symlink() and target.is_file() and target.is_relative_to(self.cache)

    @cached_property
    def unmanaged(self) -> dict[Path, None]:
        """List the files and folders that git ignores and DVC has nothing to do with, absolute.

        Such as environments and caches; and folders in which tools track runs, whether git ignores
        them or not. An ignored folder in which DVC has something is not among them, but the rest of
        what is in it. None lies in `.dvc` or `.git`.
        """
        managed = {*self.data, *self.inputs, self.root / ".dvc", self.root / ".git"}
        above = {parent for path in managed for parent in path.parents}
        unmanaged: dict[Path, None] = {}
        tracking = {self.root / name for name in TRACKING_FOLDERS}
        candidates = sorted(self.ignored | set(filter(Path.is_dir, tracking)), reverse=True)
        while candidates:
            path = candidates.pop()
            if not managed.isdisjoint((path, *path.parents)):
                continue
            if path in above:
                candidates += sorted(path.iterdir(), reverse=True)
            else:
                unmanaged[path] = None
        folders = sum(map(Path.is_dir, unmanaged))
        if folders > MOST_UNMANAGED:
            raise PipelineError(
                f"found {folders} folders that git ignores and DVC does not know, beside those that"
                f" it does; expected at most {MOST_UNMANAGED}, or `sandbox: false`"
            )
        return unmanaged

    def forget_unmanaged(self) -> None:
        """Ask git anew, after commands have made files."""
        for name in ("ignored", "unmanaged"):
            self.__dict__.pop(name, None)

    def pull(self, target: str) -> None:
        """Do `dvc pull` of a stage or a path, under the lock that is held already."""
        self._repo._lock_depth += 1  # or DVC would wait for its lock, and so for this process
        try:
            self._repo.pull(target)
        finally:
            self._repo._lock_depth -= 1
        self.file_cache.forget_all()
