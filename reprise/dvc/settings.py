"""Reads the runner's settings of a stage: `meta: {reprise: {…}}` in dvc.yaml.

`dvc repro` ignores them.
"""

import os
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, TypeVar

from annotated_types import Gt, Interval, Lt, MinLen

from reprise.errors import PipelineError

DEFAULT_FILE = "params.yaml"
ENDLESS = float("inf")
Declared = TypeVar("Declared", "Settings", "Replicates")


@dataclass(frozen=True)
class Replicates:
    """Holds how often a stage is run with other values of a param, to tell a change from luck.

    param: the key, `FILE:KEY` where it is not of params.yaml. base, change: runs of either side of
    a comparison, that with the declared value among them.
    """

    param: Annotated[str, MinLen(1)] = ""
    base: Annotated[int, Interval(ge=2, le=1000)] = 10
    change: Annotated[int, Interval(ge=2, le=1000)] = 5

    def locate(self, wdir: str) -> tuple[str, str]:
        """Return the params file, from the root as the stage's `wdir` is, and the key."""
        file, _, key = self.param.rpartition(":")
        return os.path.normpath(os.path.join(wdir, file or DEFAULT_FILE)), key


@dataclass(frozen=True)
class Settings:
    """Holds the settings of a stage.

    sandbox: false runs the command in the workspace; retries: after a failure, with a pause that
    doubles; retry_delay: seconds before the first one; timeout: seconds for all its commands
    together; group: at most `limit` of its stages at a time. visible: keys of params.yaml that the
    command may read though the stage does not declare them: they can't change its outs.
    replicates: None where the stage declares none.
    """

    sandbox: bool = True
    retries: Annotated[int, Interval(ge=0, le=100)] = 0
    retry_delay: Annotated[float, Interval(ge=0, le=3600)] = 1.0
    timeout: Annotated[float, Gt(0), Lt(ENDLESS)] | None = None
    group: Annotated[str, MinLen(1)] | None = None
    limit: Annotated[int, Interval(ge=1)] = 1
    visible: list[str] = field(default_factory=list)
    replicates: Replicates | None = None


def parse_settings(where: str, meta: Any) -> Settings:
    """Read the settings from a stage's `meta`; without `meta.reprise` they are the defaults.

    where: names the file and the stage, for errors. Raises PipelineError when `meta.reprise` is
    wrong.
    """
    declared = None
    if isinstance(meta, dict):
        declared = meta.get("reprise")
    if declared is None:
        return Settings()
    where = f"{where}: meta.reprise"
    if not isinstance(declared, dict) or "replicates" not in declared:
        return _parse(where, declared, Settings)
    inner = declared["replicates"]
    replicates = _parse(f"{where}.replicates", inner, Replicates)
    if "param" not in inner:
        expected = "param: the key of the training's seed"
        raise PipelineError(f"{where}.replicates: found {inner!r}; expected {expected}")
    rest = {key: value for key, value in declared.items() if key != "replicates"}
    return replace(_parse(where, rest, Settings), replicates=replicates)


def _parse(where: str, declared: Any, kind: type[Declared]) -> Declared:
    """Check the declared settings strictly: a number in quotes is wrong.

    Raises PipelineError for the first one that is wrong: where, found, expected.
    """
    # A tenth of the start-up, and few pipelines need it.
    from pydantic import ConfigDict, ValidationError
    from pydantic.dataclasses import dataclass as make_checked

    if not isinstance(declared, dict):
        raise PipelineError(f"{where}: found {declared!r}; expected a mapping")
    names = [setting.name for setting in fields(kind)]
    for key, value in declared.items():
        if key not in names:
            expected = f"one of {', '.join(names)}"
            raise PipelineError(f"{where}.{key}: found {value!r}; expected {expected}")
    checked: Any = make_checked(kind, config=ConfigDict(strict=True), frozen=True)
    try:
        settings = checked(**declared)
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, first["loc"]))
        expected = first["msg"].lower()
        raise PipelineError(
            f"{where}.{key}: found {first['input']!r}; expected {expected}"
        ) from None
    return kind(**vars(settings))
