"""Build a folder that holds what a stage declares and nothing else, for its command to run in."""

import os
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from reprise.dvc import Stage
from reprise.params.cut import cut
from reprise.sandbox.undeclared import Section, Undeclared


class Sandbox:
    """Holds hard links to (or copies of) the declared files, laid out as in the workspace."""

    def __init__(
        self,
        stage: Stage,
        folder: Path,
        extra: Sequence[Undeclared] = (),
        replacements: Mapping[Path, Mapping[str, Path]] = MappingProxyType({}),
    ) -> None:
        """List what belongs in the sandbox; `build` makes it.

        extra: inputs to supply as if they were declared.
        replacements: deps whose bytes come from elsewhere: for each file in the dep, by its name,
        the path to copy it from.
        """
        self.stage = stage
        self.folder = folder
        self._replacements = replacements
        extra_deps: list[Path] = []
        extra_keys: defaultdict[Path, list[str]] = defaultdict(list)
        for item in extra:
            if item.section is Section.DEPS:
                extra_deps.append(item.path)
            else:
                extra_keys[item.path].append(item.key)
        # The folder that the sandbox mirrors: the root, or one above it for deps beside the root.
        self._base = Path(
            os.path.commonpath([stage.workspace.root, *stage.relative_outside, *extra_deps])
        )
        self._inputs = self._list_inputs([*map(Path, stage.dep_paths), *extra_deps])
        self._params = self._list_params(extra_keys)
        self._persists = stage.outputs
        self._outs = list(filter(self._mirrors, stage.outputs))
        self._given: set[str] = set()  # files, as strings: there may be a hundred thousand

    def _list_inputs(self, paths: Iterable[Path]) -> dict[Path, list[Path] | None]:
        """Map each input that exists to its files if it is a folder, to None if it is a file."""
        inputs: dict[Path, list[Path] | None] = {}
        for path in filter(self._mirrors, paths):
            if path.is_dir():
                inputs[path] = list(self.stage.files(path))
            elif path.exists():
                inputs[path] = None
        return inputs

    def _list_params(self, extra_keys: Mapping[Path, list[str]]) -> dict[Path, list[str]]:
        """Map each params file to the keys that the stage may see; no keys: the whole file."""
        params = {}
        declared = self.stage.params
        for path in filter(self._mirrors, declared):
            if path.is_file():
                # A whole file has no extra keys: the stage sees them already.
                params[path] = [*declared[path], *extra_keys.get(path, [])]
        return params

    def build(self) -> None:
        """Make the folder: inputs, params cut to the declared keys, outs that persist."""
        self.folder.mkdir(parents=True)
        self.wdir.mkdir(parents=True, exist_ok=True)
        for path, files in self._inputs.items():
            self._add_input(path, files)
        for path, keys in self._params.items():
            if not self.path_of(path).exists():  # if it is a dep too, it is there as a whole
                self._prepare(path).write_text(cut(path, keys), encoding="utf-8")
        for path in self._outs:
            target = self._prepare(path)
            if self._persists[path] and path.exists():
                _copy_writable(path, target)
        self._given = set(self._files())

    def _add_input(self, path: Path, files: Iterable[Path] | None) -> None:
        if path in self._replacements:
            self._copy_replacements(path)
        elif files is None:
            self._link_all(path.parent, [path])
        else:
            self._prepare(path).mkdir(exist_ok=True)
            self._link_all(path, files)

    def _mirrors(self, path: Path) -> bool:
        return path.is_relative_to(self._base)

    def path_of(self, path: Path) -> Path:
        """Return where a path of the workspace is in the sandbox."""
        return self.folder / path.relative_to(self._base)

    @property
    def wdir(self) -> Path:
        """Return the stage's working directory in the sandbox."""
        return self.path_of(self.stage.wdir)

    def _prepare(self, path: Path) -> Path:
        """Make the folder around the path in the sandbox; return the path there."""
        target = self.path_of(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _link_all(self, folder: Path, files: Iterable[Path]) -> None:
        """Link files of the workspace's folder into the sandbox."""
        prefix = len(str(folder))
        target_folder = str(self.path_of(folder))
        created: set[str] = set()
        for file in map(str, files):
            target = target_folder + file[prefix:]
            parent = target[: target.rindex(os.sep)]
            if parent not in created:
                os.makedirs(parent, exist_ok=True)
                created.add(parent)
            _link(file, target)

    def _copy_replacements(self, path: Path) -> None:
        for name, file in self._replacements[path].items():
            target = path  # a dep that is a single file, whatever the name is
            if path.is_dir():
                target = path / name
            shutil.copyfile(file, self._prepare(target))

    def _files(self) -> Iterator[str]:
        """Walk the files of the sandbox, but for those that Python compiles."""
        for folder, subfolders, files in os.walk(self.folder):
            if "__pycache__" in subfolders:
                subfolders.remove("__pycache__")  # os.walk leaves it out then
            for name in files:
                yield os.path.join(folder, name)

    def undeclared_writes(self) -> list[str]:
        """List the files that the command left beside the outs, relative to the root."""
        root = self.path_of(self.stage.workspace.root)
        outs = tuple(f"{self.path_of(out)}{os.sep}" for out in self._outs)
        writes = []
        for file in set(self._files()) - self._given:
            # With a separator after both, `model.csv` is not taken for a part of `model`.
            if not f"{file}{os.sep}".startswith(outs):
                writes.append(os.path.relpath(file, root))
        return sorted(writes)

    def missing_outs_error(self) -> str | None:
        """Name the outs, relative to the root, that the command did not write; None if it did."""
        missing = []
        for out in self._outs:
            if not self.path_of(out).exists():
                missing.append(os.path.relpath(out, self.stage.workspace.root))
        if not missing:
            return None
        return f"the command wrote no {', '.join(missing)}"

    def bring_back(self) -> None:
        """Move the outs that exist into the workspace, in place of the old ones."""
        for number, path in enumerate(self._outs):
            new = self.path_of(path)
            if not os.path.lexists(new):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path) and (path.is_dir() or new.is_dir()):
                shutil.move(path, self.folder / f".replaced-{number}")
            shutil.move(new, path)  # copies where .dvc/tmp is another mount

    def remove(self) -> None:
        """Remove the folder with all that is left in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # Looking for what the command lacked

    def counterpart(self, path: Path) -> Path:
        """Return where any path would be in the sandbox, seen from the working directory."""
        return Path(os.path.normpath(self.wdir / os.path.relpath(path, self.stage.wdir)))

    def lacks(self, path: Path) -> bool:
        """Tell whether the workspace has the path and the sandbox has not. Outs do not count."""
        root = self.stage.workspace.root
        if path.is_relative_to(root) and {".git", ".dvc"} & set(path.relative_to(root).parts):
            return False
        if not {path, *path.parents}.isdisjoint(self.stage.outputs):
            return False
        return os.path.exists(path) and not os.path.exists(self.counterpart(path))

    def undeclared(self, path: Path) -> Undeclared:
        """Describe the path as a dep that the stage does not declare."""
        return Undeclared(Section.DEPS, os.path.relpath(path, self.stage.wdir), path=path)


def _link(file: str, target: str) -> None:
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


def _copy_writable(path: Path, target: Path) -> None:
    """Copy a file or folder and make it writable: what links into the cache is read-only."""
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copy2(path, target)
    for copy in [target, *target.rglob("*")]:
        copy.chmod(copy.stat().st_mode | stat.S_IWUSR)
