"""Reads the runner's settings of a stage: `meta: {reprise: {…}}` in dvc.yaml.

`dvc repro` ignores them.
"""

from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from annotated_types import Gt, Interval, Lt, MinLen

from reprise.errors import PipelineError

ENDLESS = float("inf")


@dataclass(frozen=True)
class Settings:
    """Holds the settings of a stage.

    sandbox: false runs the command in the workspace; retries: after a failure, with a pause that
    doubles; retry_delay: seconds before the first one; timeout: seconds for all its commands
    together; group: at most `limit` of its stages at a time. visible: keys of params.yaml that the
    command may read though the stage does not declare them: they can't change its outs.
    """

    sandbox: bool = True
    retries: Annotated[int, Interval(ge=0, le=100)] = 0
    retry_delay: Annotated[float, Interval(ge=0, le=3600)] = 1.0
    timeout: Annotated[float, Gt(0), Lt(ENDLESS)] | None = None
    group: Annotated[str, MinLen(1)] | None = None
    limit: Annotated[int, Interval(ge=1)] = 1
    visible: list[str] = field(default_factory=list)


def parse_settings(where: str, meta: Any) -> Settings:
    """Read the settings from a stage's `meta`; without `meta.reprise` they are the defaults.

    where: names the file and the stage, for errors. Raises PipelineError when `meta.reprise` is
    wrong.
    """
    declared = meta.get("reprise") if isinstance(meta, dict) else None
    if declared is None:
        return Settings()
    return _parse(f"{where}: meta.reprise", declared)


def _parse(where: str, declared: Any) -> Settings:
    """Check the declared settings strictly: a number in quotes is wrong.

    Raises PipelineError for the first one that is wrong: where, found, expected.
    """
    # A tenth of the start-up, and few pipelines need it.
    from pydantic import ConfigDict, ValidationError
    from pydantic.dataclasses import dataclass as make_checked

    if not isinstance(declared, dict):
        raise PipelineError(f"{where}: found {declared!r}; expected a mapping")
    names = [setting.name for setting in fields(Settings)]
    for key, value in declared.items():
        if key not in names:
            expected = f"one of {', '.join(names)}"
            raise PipelineError(f"{where}.{key}: found {value!r}; expected {expected}")
    checked: Any = make_checked(Settings, config=ConfigDict(strict=True), frozen=True)
    try:
        settings = checked(**declared)
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, first["loc"]))
        expected = first["msg"].lower()
        raise PipelineError(
            f"{where}.{key}: found {first['input']!r}; expected {expected}"
        ) from None
    return Settings(**vars(settings))
