"""Sorts the deps and outs of DVC's stages."""

from collections.abc import Iterable

from dvc.dependency import ParamsDependency
from dvc.output import Output


def local_items(items: Iterable[Output]) -> list[Output]:
    """Select the deps or outs that are files or folders of this machine, not of a cloud.

    Params files are among them.
    """
    return [item for item in items if item.protocol == "local"]


def data_deps(deps: Iterable[Output]) -> list[Output]:
    """Select the deps that are hashed as a whole: all but params files."""
    return [dep for dep in deps if not isinstance(dep, ParamsDependency)]


def params_deps(deps: Iterable[Output]) -> list[ParamsDependency]:
    """Select the params files, of which DVC records values."""
    return [dep for dep in deps if isinstance(dep, ParamsDependency)]
