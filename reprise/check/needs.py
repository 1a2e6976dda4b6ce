"""Conclude from what a command accesses which inputs its stage should declare."""

import os
from collections.abc import Sequence
from pathlib import Path

from reprise.check.syscalls import Access
from reprise.dvc import Stage
from reprise.sandbox.sandbox import Sandbox, is_below
from reprise.sandbox.tool_files import NAME_OF_A_TOOL
from reprise.sandbox.undeclared import Undeclared


class Accesses:
    """Collects what a stage's command accesses, as absolute paths of the workspace.

    used: all paths but those that it only wrote; requested: undeclared files that the workspace
    has, in the order of asking (a dictionary's keys); listed: undeclared folders whose entries the
    command read; around: folders that every sandbox has.
    """

    def __init__(self, sandbox: Sandbox, known: Sequence[Undeclared] = ()) -> None:
        """Collect nothing yet. known: what counts as declared, since earlier runs found it."""
        self.sandbox = sandbox
        self.stage = sandbox.stage
        self.used: set[Path] = set()
        self.requested: dict[Path, None] = {}
        self.listed: set[Path] = set()
        self._root = f"{self.stage.workspace.root}{os.sep}"
        deps = map(Path, self.stage.dep_paths)
        self._declared = {*deps, *self.stage.params, *(need.path for need in known)}
        # Every sandbox has these folders, if perhaps not all that is in them.
        self.around: set[Path] = {self.stage.wdir}
        for path in (self.stage.wdir, *self._declared, *self.stage.outputs):
            self.around.update(path.parents)
        self._seen: set[tuple[Access, str]] = set()

    def note(self, access: Access, name: str) -> None:
        """Note an access to an absolute path of the command's."""
        is_new = (access, name) not in self._seen
        if not is_new or not name.startswith(self._root):
            return
        self._seen.add((access, name))
        if access is Access.WRITE:
            return
        path = _source(self.sandbox.origin(Path(name)))
        self.used.add(path)
        if is_below(path, self._declared):
            return
        if may_be_input(self.stage, path):
            self._note_undeclared(access, name, path)

    def _note_undeclared(self, access: Access, name: str, path: Path) -> None:
        """Note an access to a file or folder that is not declared. name: the command's."""
        is_input = os.path.isfile(path) and not self.sandbox.has_written(path)
        if not is_input:
            if access is Access.LIST:
                self.listed.add(path)
            return
        # Past a sandbox elsewhere, git looks at all that it tracks.
        is_past = not Path(name).is_relative_to(self.sandbox.ground)
        if access is Access.LOOK and is_past:
            return
        self.requested[path] = None

    def used_and_above(self) -> set[Path]:
        """Return the used paths, and the folders in which they lie."""
        paths = set(self.used)
        for path in self.used:
            paths.update(path.parents)
        return paths


def _source(path: Path) -> Path:
    """Return the module that Python made a file in `__pycache__` of; else the path itself."""
    if path.parent.name != "__pycache__":
        return path
    return path.parent.with_name(f"{path.name.partition('.')[0]}.py")


def may_be_input(stage: Stage, path: Path) -> bool:
    """Tell whether a path of the workspace, or beside it, may be an input of the stage.

    The stage's outs are none, nor is what is in them. Files and folders that belong to tools are
    none. What git ignores is none, unless DVC tracks it.
    """
    repository = stage.workspace
    names = [path.name]
    if path.is_relative_to(repository.root):
        names = [*path.relative_to(repository.root).parts]
    if any(map(NAME_OF_A_TOOL.match, names)):
        return False
    if is_below(path, stage.outputs):
        return False
    return is_below(path, repository.data) or not is_below(path, repository.ignored)


def undeclared_paths(accesses: Accesses) -> list[Path]:
    """Return the paths that the stage should declare: requested files, and folders in their place.

    A folder that the command listed stands for its files if the command read all of them. If it
    read none, it may have counted them, and needs the folder too. Two such folders it needs not:
    one that a walk through the whole tree came by, and one in a folder that it needs anyway.
    """
    stage = accesses.stage
    paths = list(accesses.requested)
    passed: set[Path] = set()
    for folder in sorted(accesses.listed - accesses.around):
        files = _inputs_in(stage, folder)
        if not _may_be_dep(stage, folder, files):
            continue
        read = [path for path in paths if path.is_relative_to(folder)]
        if read:
            if files.issubset(read):
                paths = _replace(paths, read, folder)
        elif folder.parent in passed or _was_passed(accesses, folder):
            passed.add(folder)
        elif set(paths).isdisjoint(folder.parents):
            paths.append(folder)
    return paths


def _inputs_in(stage: Stage, folder: Path) -> set[Path]:
    """Return the files in the folder, at any depth, that may be inputs."""
    inputs = set()
    for path in folder.rglob("*"):
        if path.is_file() and may_be_input(stage, path):
            inputs.add(path)
    return inputs


def _may_be_dep(stage: Stage, folder: Path, files: set[Path]) -> bool:
    """Tell whether a listed folder may be a dep of the stage.

    A folder of modules alone is none: Python lists it when it looks for them. An out can't lie in
    a dep. files: all in the folder that may be inputs.
    """
    only_modules = all(file.suffix == ".py" for file in files)
    holds_an_out = any(out.is_relative_to(folder) for out in stage.outputs)
    return not only_modules and not holds_an_out


def _was_passed(accesses: Accesses, folder: Path) -> bool:
    """Tell whether a walk through the tree came by the folder, as `find .` does.

    Then the command accessed all folders that stand beside it, and there is one.
    """
    folders = []
    for path in folder.parent.iterdir():
        if path.is_dir() and may_be_input(accesses.stage, path):
            folders.append(path)
    return len(folders) > 1 and accesses.used.issuperset(folders)


def _replace(paths: list[Path], replaced: list[Path], folder: Path) -> list[Path]:
    """Put the folder in the position of the first of the paths that it replaces."""
    position = paths.index(replaced[0])
    others = []
    for path in paths:
        if path not in replaced:
            others.append(path)
    return [*others[:position], folder, *others[position:]]
