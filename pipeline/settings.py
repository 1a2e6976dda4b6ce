"""The runner's settings of a stage: `meta: {reprise: {…}}` in dvc.yaml, which `dvc repro` ignores."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import PipelineError


class Settings(BaseModel):
    """retries: after a failure, with a pause that doubles; timeout: seconds for all its commands together;
    group: at most `limit` of its stages at a time; sandbox: false runs the command in the workspace."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sandbox: bool = True
    retries: int = Field(0, ge=0, le=100)
    retry_delay: float = Field(1.0, ge=0, le=3600, allow_inf_nan=False)  # seconds before the first one
    timeout: float | None = Field(None, gt=0, allow_inf_nan=False)
    group: str | None = Field(None, min_length=1)
    limit: int = Field(1, ge=1)


def settings_of(where: str, meta: Any) -> Settings:
    """PipelineError when `meta.reprise` is wrong; `where` names the file and the stage."""
    declared = meta.get("reprise") if isinstance(meta, dict) else None
    if declared is None:
        return Settings()
    if not isinstance(declared, dict):
        raise PipelineError(f"{where}: meta.reprise: found {declared!r}; expected a mapping")
    try:
        return Settings.model_validate(declared)
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(Settings.model_fields)
        expected = f"one of {known}" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise PipelineError(f"{where}: meta.reprise.{key}: found {first['input']!r}; expected {expected}") from None
