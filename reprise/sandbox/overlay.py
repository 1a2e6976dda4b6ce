"""Build a sandbox that lies over the workspace, in a mount namespace of the command."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reprise.dvc import Stage
from reprise.process.namespace import Bind, Mount, Overlay
from reprise.sandbox.layer import Layer
from reprise.sandbox.sandbox import AS_DECLARED, Contents, Sandbox, is_below
from reprise.sandbox.tool_files import NAME_OF_A_TOOL
from reprise.sandbox.writes import is_folder


class OverlaySandbox(Sandbox):
    """Shows the command, at the workspace's own path, what it may see; takes what it writes.

    Over the root lies an overlay. Below is a skeleton: hard links to file deps, cut params, folders
    for outs. Folder deps are overlays of their own over the workspace's folder. What DVC has
    nothing to do with and git ignores (environments, caches) is the workspace's own.

    Seen from outside: `lower` is the skeleton, `upper` what the command wrote, `deps/N/upper` what
    it wrote into the Nth folder.
    """

    def __init__(
        self,
        stage: Stage,
        folder: Path,
        contents: Contents = AS_DECLARED,
        *,
        private: bool = False,
    ) -> None:
        """List what belongs in the sandbox; `build` makes it.

        private: nothing is the workspace's own; all that the command writes stays here.
        """
        super().__init__(stage, folder, contents)
        self._private = private
        self.ground = self._base = stage.workspace.root
        self.wdir = stage.wdir
        self._mirror = folder / "lower"
        self._upper = folder / "upper"
        self._links: dict[Path, None] = {}  # files of the workspace to link into the skeleton
        self._folders: dict[Path, Path] = {}  # folders of the workspace, and where their upper is
        # Folders that are the workspace's own: what is written there is there at once.
        self._own_folders: list[Path] = []
        self._list_inputs()
        self._list_tool_files()
        self._list_unmanaged()
        self._list_folders_of_dvc()
        # Shown with all that is in them.
        self._whole = {*self._folders, *self._own_folders, *stage.workspace.git_folders}
        self._index = stage.workspace.git_index
        self._tracked = stage.workspace.tracked if self._index is not None else frozenset()
        self.mounts = [*self._list_mounts()]
        if self._index is not None and not os.path.lexists(self._base / ".git"):
            # Git looks for its folder above, past the mount.
            self.environment = {"GIT_DISCOVERY_ACROSS_FILESYSTEM": "1"}

    # What it shows

    def _list_inputs(self) -> None:
        if self._contents.everything:
            self._add_all(self._base)
        inside = [*self._contents.left, *filter(self._mirrors, self._deps)]
        if self._base in inside:
            inside += sorted(self._base.iterdir())
            inside.remove(self._base)
        for path in inside:
            if path not in self._contents.replacements:
                self._add(path)

    def _add_all(self, folder: Path) -> None:
        """Show all that is in a folder, but for the outs and what is DVC's own."""
        own = {*self._outs, *self._params}
        above: set[Path] = set()
        for path in own:
            above.update(path.parents)
        for path in sorted({*folder.iterdir()} - own):
            if path in above and not path.is_symlink():
                self._add_all(path)
            else:
                self._add(path)

    def _list_tool_files(self) -> None:
        """Show what tools look for beside the code and above it: dvc.yaml, pyproject.toml, .env.

        And all of DVC's own files, of which commands ask DVC.
        """
        workspace = self.stage.workspace
        paths = [*filter(self._mirrors, workspace.dvc_files)]
        folder = self.wdir
        while self._mirrors(folder):
            names: list[str] = []
            if folder.is_dir():
                names = os.listdir(folder)
            for name in sorted(filter(NAME_OF_A_TOOL.match, names)):
                paths.append(folder / name)
            folder = folder.parent
        for others in (workspace.data, workspace.inputs, workspace.unmanaged, self._params):
            paths = [path for path in paths if path not in others]
        for path in paths:
            self._add(path)

    def _add(self, path: Path) -> None:
        """Show a file or folder of the workspace; what the command writes to it stays private."""
        if path in self._links or self._base.is_relative_to(path):
            return  # by a link that leads in a circle, or above all
        if not is_folder(path):
            self._links[path] = None
            self._add_target(path)
            return
        if path in (self._base / ".git", self._base / ".dvc"):
            return  # they are shown in ways of their own
        aside = self.folder / "deps" / str(len(self._folders))
        self._folders.setdefault(path, aside)

    def _add_target(self, path: Path) -> None:
        """Show where the path leads, if it is a link to something in the workspace."""
        if not path.is_symlink():
            return
        target = Path(os.path.normpath(path.parent / path.readlink()))
        if self._mirrors(target):
            self._add(target)

    def _list_unmanaged(self) -> None:
        """Show what git ignores and DVC has nothing to do with: environments, caches, mlruns."""
        beside = {path.parent for path in self._links}
        for path in self.stage.workspace.unmanaged:
            if not path.is_dir():
                self._links[path] = None
                continue
            if path.name == "__pycache__" and path.parent not in beside:
                continue
            if self._private:
                self._add(path)
            else:
                self._own_folders.append(path)

    def _list_folders_of_dvc(self) -> None:
        """Show what DVC keeps: its folder, and the cache, which may lie elsewhere.

        A private sandbox lies below `.dvc/tmp`, so it can't show that; DVC makes a new one in it.
        """
        folder = self._base / ".dvc"
        if not self._private:
            self._own_folders.append(folder)
            return
        for path in sorted({*folder.iterdir()} - {folder / "tmp"}):
            self._add(path)
        cache = self.stage.workspace.cache
        if cache.is_dir():
            self._add(cache)

    def _list_mounts(self) -> Iterator[Mount]:
        """Yield the mounts, each after those that it lies on."""
        yield self._overlay(self._mirror, self._base, self.folder)
        for path, folder in sorted(self._folders.items()):
            yield self._overlay(path, path, folder)
        for path in self._own_folders:
            yield self._bind(path)
        for path in self.stage.workspace.git_folders:
            yield self._bind(path, read_only=True)
        if self._index is not None:
            yield Bind(str(self.folder / "index"), str(self._index))
        if not self._private and any(map(self._leads_into_cache, self._deps)):
            yield self._bind(self.stage.workspace.cache, read_only=True)

    def _leads_into_cache(self, dep: Path) -> bool:
        """Tell whether the dep, or a file in its folder, is a link into the cache."""
        workspace = self.stage.workspace
        return any(map(workspace.is_cached_file, _links_in(dep)))

    @staticmethod
    def _bind(path: Path, *, read_only: bool = False) -> Bind:
        return Bind(str(path), str(path), read_only)

    @staticmethod
    def _overlay(source: Path, target: Path, folder: Path) -> Overlay:
        return Overlay(str(source), str(target), str(folder / "upper"), str(folder / "work"))

    # Making it

    def build(self) -> None:
        """Make the skeleton, the folders for what the command writes, and a copy of git's index."""
        for folder in (self.folder, *self._folders.values()):
            (folder / "upper").mkdir(parents=True)
            (folder / "work").mkdir()
        self._position(self.wdir).mkdir(parents=True, exist_ok=True)
        self._fill_skeleton()
        self._prepare_outs()
        if self._index is not None:
            self._copy_index(self._index)

    def _fill_skeleton(self) -> None:
        """Put what the sandbox shows into the skeleton, and folders to mount the rest on."""
        for path in self._contents.replacements:
            self._copy_replacements(path)
        shown_whole = {*self._links, *self._folders}
        for path in filter(self._mirrors, self._params):
            # If it is a dep too, or lies in one, it is there as a whole.
            if not is_below(path, shown_whole):
                self._write_params(path)
        for path in self._links:
            self._link(path)
        for path in filter(self._mirrors, self._whole):
            # In a folder of the workspace there is something to mount it on.
            if not is_below(path.parent, self._folders):
                self._position(path).mkdir(parents=True, exist_ok=True)

    def _link(self, path: Path) -> None:
        """Put a file of the workspace, if there is one, into the skeleton.

        A link into the cache gives way to what it leads to, which the command can't write through.
        """
        target = self._prepare(path)
        if not path.is_symlink() or self.stage.workspace.is_cached_file(path):
            with suppress(FileNotFoundError):
                self._link_file(path)
        elif not os.path.lexists(target):
            target.symlink_to(path.readlink())

    def _copy_index(self, index: Path) -> None:
        """Copy git's index; in the copy, what the command does not see does not count as deleted.

        Such as in `git describe --dirty`.
        """
        copy = self.folder / "index"
        shutil.copyfile(index, copy)
        hidden = self._hidden()
        if not hidden:
            return
        subprocess.run(
            ["git", "update-index", "-z", "--skip-worktree", "--stdin"],
            input=os.fsencode("\0".join(hidden)),
            cwd=self._base,
            env={**os.environ, "GIT_INDEX_FILE": str(copy)},
            capture_output=True,
            check=False,
        )

    def _hidden(self) -> list[str]:
        """List the files that git tracks and the command does not see, relative to the root."""
        if self._contents.everything:
            return sorted(self._tracked)  # git looks at none of them, nor does the stage need them
        linked: set[str] = set()
        for folder, subfolders, files in os.walk(self._mirror):
            place = os.path.relpath(folder, self._mirror)
            for name in (*subfolders, *files):  # a link to a folder counts as one
                linked.add(os.path.normpath(os.path.join(place, name)))
        whole = tuple(f"{os.path.relpath(path, self._base)}{os.sep}" for path in self._whole)
        return sorted(name for name in self._tracked - linked if not name.startswith(whole))

    # What the command wrote

    def written(self, path: Path) -> Path:
        """Return where the file is that the command wrote at a path of the workspace."""
        for folder, aside in sorted(self._folders.items(), reverse=True):
            if path.is_relative_to(folder):
                return aside / "upper" / path.relative_to(folder)
        return self._upper / path.relative_to(self._base)

    def _layers(self) -> Iterator[Layer]:
        yield Layer(self._upper, self._mirror, self._base)
        for folder, aside in self._folders.items():
            yield Layer(aside / "upper", folder, folder)

    def _undeclared_files(self) -> Iterator[Path]:
        for layer in self._layers():
            yield from layer.written(self.stage.outputs)

    def _given_at(self, path: Path) -> Path | None:
        given = self._position(path)
        if is_below(path, self._folders):
            given = path
        if os.path.lexists(given):
            return given
        return None

    def _deleted_files(self) -> Iterator[Path]:
        for layer in self._layers():
            yield from layer.deleted()

    # Looking for what the command lacked

    def counterpart(self, path: Path) -> Path:
        """Return the path itself."""
        return path

    def origin(self, path: Path) -> Path:
        """Return the path itself."""
        return path

    def shows(self, path: Path) -> bool:
        """Tell whether the command sees the path of the workspace."""
        if not self._mirrors(path) or is_below(path, self._whole):
            return True
        return any(map(os.path.lexists, (self._position(path), self.written(path))))

    def holds(self, file: Path) -> bool:
        """Tell whether a file, by the command's path, is one that the sandbox was given."""
        return is_below(file, self._deps) and os.path.isfile(file)


def _links_in(path: Path) -> Iterator[Path]:
    """Yield the links at a path and in its folder, without a look at each file of it."""
    if path.is_symlink():
        yield path
    folders = []
    if path.is_dir():
        folders.append(str(path))
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir():
                folders.append(entry.path)
