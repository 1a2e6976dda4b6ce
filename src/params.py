"""Reads params.yaml and checks the sections a stage declares."""

import math
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from yaml import MarkedYAMLError, YAMLError

from src import yaml12
from src.errors import InputError, one_of, shown

FILE = Path("params.yaml")

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """One section of params.yaml: types are not coerced, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Named(BaseModel):
    """A class by its name; the other keys are its keyword arguments."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str = Field(min_length=1)

    @property
    def kwargs(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Runtime(Section):
    """What cannot change a result, so that no stage depends on it."""

    log_every: int = Field(100, ge=1, le=10**9)  # steps between log lines
    progress: bool = True  # progress bars, where stderr is a terminal
    workers: int | None = Field(None, ge=1, le=1024)  # DuckDB's threads; null: one a core


class Params(BaseModel):
    """The sections of params.yaml that one stage reads; what other stages read is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    @classmethod
    def load(cls, file: Path = FILE) -> Self:
        """Reads the file as YAML 1.2, as DVC does (so `1e-3` is a number); InputError if it is wrong."""
        document = read_yaml(file)
        for name, value in document.items():
            if name in keys(cls):
                _check_finite(f"{file}: {name}", value)
        try:
            return cls.model_validate(document)
        except ValidationError as e:
            raise _input_error(cls, file, document, e) from None


def read_yaml(file: Path) -> dict[str, Any]:
    """Read the mapping that a YAML file holds.

    Raises InputError, with the line, if it holds none.
    """
    try:
        text = file.read_text(encoding="utf-8")
        document = yaml12.read(text)
    except FileNotFoundError:
        raise InputError(file, "no such file", "the project's params; run from its root") from None
    except UnicodeDecodeError as e:
        raise InputError(file, f"byte {e.object[e.start]:#04x} at {e.start}", "UTF-8") from None
    except MarkedYAMLError as e:
        where = f"{file}:{_line(text, e)}"
        raise InputError(where, str(e.problem), "valid YAML 1.2") from None
    except YAMLError as e:
        raise InputError(file, str(e), "valid YAML 1.2") from None
    if not isinstance(document, dict):
        raise InputError(file, shown(document), "a mapping of sections")
    return document


def _line(text: str, error: MarkedYAMLError) -> int:
    """Find the line of an error, from 1."""
    assert error.problem_mark is not None
    # libyaml puts what is missing at the end of the text into the line after the last.
    return min(error.problem_mark.line + 1, text.count("\n") + 1)


def _check_finite(where: str, value: object) -> None:
    """Keyword arguments of torch and GX classes are free-form, so NaN and infinity are refused for all."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InputError(where, f"key {shown(key)}", "keys that are text (quote it)")
            _check_finite(f"{where}.{key}", inner)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _check_finite(f"{where}[{i}]", inner)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(where, shown(value), "a finite number")


def _input_error(
    model: type[BaseModel], file: Path, document: dict[str, Any], error: ValidationError
) -> InputError:
    """The first of pydantic's errors, in our words."""
    first = error.errors()[0]
    loc = first["loc"]
    where = f"{file}: " + "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in loc).lstrip(
        "."
    )
    key = str(loc[-1]) if loc else ""
    if first["type"] == "extra_forbidden":
        return InputError(where, "an unknown key", one_of(_fields(model, loc[:-1]), key))
    if first["type"] == "missing":
        holder: Any = document
        for k in loc[:-1]:
            holder = holder[k]
        return InputError(where, "nothing", f"this key, beside {one_of(map(str, holder), key)}")
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = expected[:1].lower() + expected[1:]
    if "instance of" in expected:  # a section: pydantic names its class, which users never see
        expected = "a section of keys"
    return InputError(where, shown(first["input"]), expected)


def _fields(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Names of the keys known at a place."""
    for key in loc:
        annotation: Any = keys(model)[str(key)].annotation
        inner = [a for a in getattr(annotation, "__args__", (annotation,)) if isinstance(a, type)]
        model = next(a for a in inner if issubclass(a, BaseModel))
    return list(keys(model))


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields by their names in params.yaml (`validate` is a method of pydantic's, hence an alias)."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
