"""The runner's settings of a stage: `meta: {reprise: {…}}` in dvc.yaml, which `dvc repro` ignores."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from annotated_types import Gt, Interval, Lt, MinLen

from reprise.errors import PipelineError

ENDLESS = float("inf")


@dataclass(frozen=True)
class Settings:
    """retries: after a failure, with a pause that doubles; timeout: seconds for all its commands together;
    group: at most `limit` of its stages at a time; sandbox: false runs the command in the workspace."""

    sandbox: bool = True
    retries: Annotated[int, Interval(ge=0, le=100)] = 0
    retry_delay: Annotated[float, Interval(ge=0, le=3600)] = 1.0  # seconds before the first one
    timeout: Annotated[float, Gt(0), Lt(ENDLESS)] | None = None
    group: Annotated[str, MinLen(1)] | None = None
    limit: Annotated[int, Interval(ge=1)] = 1


def settings_of(where: str, meta: Any) -> Settings:
    """PipelineError when `meta.reprise` is wrong; `where` names the file and the stage."""
    declared = meta.get("reprise") if isinstance(meta, dict) else None
    return Settings() if declared is None else _checked(f"{where}: meta.reprise", declared)


def _checked(where: str, declared: Any) -> Settings:
    from pydantic import (  # a tenth of the start-up, and few pipelines need it
        ConfigDict,
        ValidationError,
    )
    from pydantic.dataclasses import dataclass as checked

    if not isinstance(declared, dict):
        raise PipelineError(f"{where}: found {declared!r}; expected a mapping")
    known = [field.name for field in fields(Settings)]
    for key in declared:
        if key not in known:
            raise PipelineError(
                f"{where}.{key}: found {declared[key]!r}; expected one of {', '.join(known)}"
            )
    try:
        made: Any = checked(Settings, config=ConfigDict(strict=True), frozen=True)(**declared)
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise PipelineError(
            f"{where}.{key}: found {first['input']!r}; expected {first['msg'].lower()}"
        ) from None
    return Settings(**vars(made))
