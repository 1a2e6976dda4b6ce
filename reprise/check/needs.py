"""Conclude from what a command accessed which inputs its stage should declare."""

from dataclasses import dataclass, field
from pathlib import Path

from reprise.dvc import Stage
from reprise.sandbox.sandbox import is_below
from reprise.sandbox.tool_files import NAME_OF_A_TOOL


@dataclass
class Accesses:
    """Holds what a stage's command accessed, as absolute paths of the workspace.

    used: all paths but those that it only wrote; requested: undeclared files that the sandbox was
    not built with, in the order of asking (a dictionary's keys); listed: folders that it was not
    built with and whose entries the command read.
    """

    stage: Stage
    used: set[Path] = field(default_factory=set)
    requested: dict[Path, None] = field(default_factory=dict)
    listed: set[Path] = field(default_factory=set)

    def used_and_above(self) -> set[Path]:
        """Return the used paths, and the folders in which they lie."""
        paths = set(self.used)
        for path in self.used:
            paths.update(path.parents)
        return paths


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
    for folder in sorted(accesses.listed):
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
    others = [path for path in paths if path not in replaced]
    return [*others[:position], folder, *others[position:]]
