"""Hold what a stage declares, and nothing else, for its command to run in."""

import os
import shutil
import stat
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reprise.dvc import Inputs, Stage
from reprise.params.cut import cut
from reprise.process.namespace import Mount
from reprise.sandbox.exchange import exchange
from reprise.sandbox.undeclared import DEFAULT_PARAMS_FILE, Section, Undeclared
from reprise.sandbox.writes import Write, Writes, bring_writes, is_compiled
from reprise.shorten import shorten
from reprise.state.folders import remove_sandbox

WRITES_SHOWN = 3  # undeclared files, in a message


def link_or_copy(file: str, target: str) -> None:
    """Hard-link what the path leads to, or copy it where the file system has no hard links."""
    source = file
    if os.path.islink(file):
        source = os.path.realpath(file)
    try:
        os.link(source, target)
    except FileExistsError:
        pass  # two deps, one inside the other
    except OSError:
        shutil.copy2(file, target)


@dataclass(frozen=True)
class Contents:
    """Says what a sandbox holds that differs from what its stage declares.

    extra: inputs to supply as if they were declared.
    replacements: deps whose bytes come from elsewhere: for each file in the dep, by its name, the
    path to copy it from.
    inputs: those that will be recorded; None where nothing will be.
    everything: all that the workspace has, but for the stage's own outs.
    left: files that earlier runs of the stage left in the workspace beside its outs.
    """

    extra: Sequence[Undeclared] = ()
    replacements: Mapping[Path, Mapping[str, Path]] = field(default_factory=dict)
    inputs: Inputs | None = None
    everything: bool = False
    left: Sequence[Path] = ()


AS_DECLARED = Contents()


class Sandbox(ABC):
    """Holds the inputs of one attempt at a stage, and takes what the command writes.

    mounts: what to mount for the command, in order. environment: variables to set for it.
    wdir: the folder in which the command runs. ground: the folder below which an absolute path
    means something in the sandbox.
    """

    mounts: Sequence[Mount] = ()
    environment: Mapping[str, str] = {}
    wdir: Path
    ground: Path
    _base: Path  # the folder of the workspace that the sandbox mirrors
    _mirror: Path  # what is built of it
    _put_file: Callable[[str, str], object] = staticmethod(link_or_copy)

    def __init__(self, stage: Stage, folder: Path, contents: Contents = AS_DECLARED) -> None:
        """List what belongs in the sandbox; `build` makes it."""
        self.stage = stage
        self.folder = folder
        self._contents = contents
        self._deps = [*map(Path, stage.dep_paths)]
        extra_keys: defaultdict[Path, list[str]] = defaultdict(list)
        for item in contents.extra:
            if item.section is Section.DEPS:
                self._deps.append(item.path)
            else:
                extra_keys[item.path].append(item.key)
        self._params = self._list_params(extra_keys)

    def _list_params(self, extra_keys: defaultdict[Path, list[str]]) -> dict[Path, list[str]]:
        """Map each params file to the keys that the stage may see; no keys: the whole file."""
        params = {}
        extra_keys[self.stage.wdir / DEFAULT_PARAMS_FILE] += self.stage.settings.visible
        for path, keys in self.stage.params.items():
            if path.is_file():
                params[path] = list(keys)
                if keys:  # without any it sees the whole file
                    params[path] += extra_keys[path]
        return params

    @abstractmethod
    def build(self) -> None:
        """Make the folder: inputs, params cut to the declared keys, outs that persist."""

    @abstractmethod
    def written(self, path: Path) -> Path:
        """Return where the file is that the command wrote at a path of the workspace."""

    def has_written(self, path: Path) -> bool:
        """Tell whether the command made the file that it sees at a path of the workspace."""
        return os.path.lexists(self.written(path))

    @abstractmethod
    def counterpart(self, path: Path) -> Path:
        """Return by which path the command sees a path of the workspace."""

    @abstractmethod
    def origin(self, path: Path) -> Path:
        """Return which path of the workspace, or beside it, the command means by a path."""

    @abstractmethod
    def shows(self, path: Path) -> bool:
        """Tell whether the command sees the path of the workspace."""

    @abstractmethod
    def holds(self, file: Path) -> bool:
        """Tell whether a file, by the command's path, is one that the sandbox was given."""

    @abstractmethod
    def _undeclared_files(self) -> Iterator[Path]:
        """Iterate over what the command left beside the outs, by its path in the workspace."""

    @abstractmethod
    def _given_at(self, path: Path) -> Path | None:
        """Return what the command was shown at the path of the workspace; None for nothing."""

    @abstractmethod
    def _deleted_files(self) -> Iterator[Path]:
        """Iterate over the files that the command deleted, by their path in the workspace."""

    # What the command wrote

    @property
    def _outs(self) -> list[Path]:
        """List the outs that the command writes in the sandbox."""
        return [*filter(self._mirrors, self.stage.outputs)]

    def outs_error(self) -> str | None:
        """Name the outs that the command did not write, and what it wrote; None if it wrote all."""
        missing = []
        for out in self._outs:
            if not os.path.lexists(self.written(out)):
                missing.append(os.path.relpath(out, self.stage.workspace.root))
        if not missing:
            return None
        error = f"the command wrote no {', '.join(missing)}"
        others = self.undeclared_writes()
        if others:
            shown = shorten(others, WRITES_SHOWN)
            error = f"{error}, but {shown}, which no out names"
        return error

    def undeclared_writes(self) -> list[str]:
        """List the files that the command left beside the outs, relative to the root."""
        root = self.stage.workspace.root
        names = []
        for path in self._undeclared_files():
            if not is_compiled(path):
                names.append(os.path.relpath(path, root))
        return sorted(names)

    def bring_back(self) -> Writes:
        """Move the outs that exist into the workspace, in place of the old ones; then the rest."""
        for path in self._outs:
            self._bring_out(path)
        writes = [
            Write(path, self.written(path), self._given_at(path))
            for path in self._undeclared_files()
        ]
        return bring_writes(self.stage, writes, self._deleted_files())

    def keep_persistent(self) -> None:
        """Move the outs that persist into the workspace, after an attempt that counts for nothing.

        The next attempt goes on with them, as under `dvc repro`.
        """
        for path in self._outs:
            if self.stage.outputs[path]:
                self._bring_out(path)

    def _bring_out(self, path: Path) -> None:
        new = self.written(path)
        if not os.path.lexists(new):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if exchange(new, path):
            return
        has_folder = path.is_dir() or new.is_dir()
        if has_folder and os.path.lexists(path):
            aside = self.folder / f".replaced-{self._outs.index(path)}"
            shutil.move(path, aside)
        shutil.move(new, path)  # copies where .dvc/tmp is another mount

    def remove(self) -> None:
        """Remove the folder with all that is left in it."""
        remove_sandbox(self.folder)

    # Looking for what the command lacked

    def lacks(self, path: Path) -> bool:
        """Tell whether the workspace has the path and the sandbox has not.

        Outs do not count, nor does what lies in a dep: it is declared, and DVC ignores it.
        """
        root = self.stage.workspace.root
        if path.is_relative_to(root) and {".git", ".dvc"} & set(path.relative_to(root).parts):
            return False
        declared = {*self.stage.outputs, *map(Path, self.stage.dep_paths)}
        if is_below(path, declared):
            return False
        return os.path.exists(path) and not self.shows(path)

    def undeclared(self, path: Path) -> Undeclared:
        """Describe the path as a dep that the stage does not declare."""
        return Undeclared(Section.DEPS, os.path.relpath(path, self.stage.wdir), path=path)

    # Making it

    def _mirrors(self, path: Path) -> bool:
        return path.is_relative_to(self._base)

    def _position(self, path: Path) -> Path:
        """Return where a path of the workspace is in what is built."""
        return self._mirror / path.relative_to(self._base)

    def _prepare(self, path: Path) -> Path:
        """Make the folder around the path in what is built; return the path there."""
        target = self._position(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _copy_replacements(self, path: Path) -> None:
        """Put the replacements of a dep where the dep would be."""
        for name, file in self._contents.replacements[path].items():
            target = path  # a dep that is a single file, whatever the name is
            if path.is_dir():
                target = path / name
            shutil.copyfile(file, self._prepare(target))

    def _write_params(self, path: Path) -> None:
        """Write what the stage may see of a params file."""
        text = None
        if self._contents.inputs is not None:
            text = self._contents.inputs.cut_from(path)
        keys = self._params[path]
        if self._contents.everything:
            keys = []  # the whole file
        self._prepare(path).write_text(cut(path, keys, text), encoding="utf-8")

    def _link_file(self, path: Path) -> None:
        """Link a file of the workspace, and note what the command will read."""
        target = self._prepare(path)
        self._put_file(str(path), str(target))
        if self._contents.inputs is not None:
            self._contents.inputs.note_link(path, target)

    def _prepare_outs(self) -> None:
        """Make the folders around the outs that the workspace has, and copy outs that persist."""
        for path in self._outs:
            if path.parent.is_dir():
                self._prepare(path)
            if self.stage.outputs[path] and path.exists():
                target = self.written(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy_writable(path, target)


def _copy_writable(path: Path, target: Path) -> None:
    """Copy a file or folder and make it writable: what links into the cache is read-only."""
    if path.is_dir():
        shutil.copytree(path, target, symlinks=True)
    else:
        shutil.copy2(path, target)
    for copy in [target, *target.rglob("*")]:
        if not copy.is_symlink():
            copy.chmod(copy.stat().st_mode | stat.S_IWUSR)


def is_below(path: Path, folders: Iterable[Path]) -> bool:
    """Tell whether the path is one of the folders, or lies in one."""
    return not {path, *path.parents}.isdisjoint(folders)
