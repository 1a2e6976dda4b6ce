"""Sorts the deps and outs of DVC's stages."""

from collections.abc import Iterable

from dvc.dependency import ParamsDependency, RepoDependency
from dvc.dependency.db import AbstractDependency
from dvc.output import Output

FOREIGN = (AbstractDependency, RepoDependency)  # a RepoDependency's file system is "local", too


def local_items(items: Iterable[Output]) -> list[Output]:
    """Select the deps or outs that are files or folders of this machine.

    Params files are among them. What is in a cloud, in another repository or in a database is not,
    nor is a dataset, which has a name and no path.
    """
    return [item for item in items if not isinstance(item, FOREIGN) and item.protocol == "local"]


def has_path(dep: Output) -> bool:
    """Tell whether the dep is a file or folder, here or elsewhere: not a dataset or a query."""
    return not isinstance(dep, AbstractDependency)


def data_deps(deps: Iterable[Output]) -> list[Output]:
    """Select the deps that are hashed as a whole: all but params files."""
    return [dep for dep in deps if not isinstance(dep, ParamsDependency)]


def params_deps(deps: Iterable[Output]) -> list[ParamsDependency]:
    """Select the params files, of which DVC records values."""
    return [dep for dep in deps if isinstance(dep, ParamsDependency)]


def missing_inside(folder: str, outs: Iterable[Output]) -> list[Output]:
    """Select the outs in the folder, as their file system names it, that are not there."""
    return [out for out in outs if out.fs_path.startswith(f"{folder}/") and not out.exists]
