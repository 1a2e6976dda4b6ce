"""Reads params.yaml and checks the sections that a stage declares."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from yaml import MarkedYAMLError, YAMLError

from src import yaml12
from src.errors import InputError, one_of, shown

FILE = Path("params.yaml")

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
SEEDS = "prepare.seed for the split and train.seed for the training, not one seed for both"
Fraction = Annotated[float, Field(gt=0, lt=1)]
Track = Literal["tensorboard", "mlflow"]  # a library, and the extra that installs it


class Section(BaseModel):
    """One section of params.yaml: types are not coerced, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Named(BaseModel):
    """Names a class; the other keys are its keyword arguments."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str = Field(min_length=1)

    @property
    def kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments."""
        assert self.model_extra is not None  # as extra keys are allowed
        return dict(self.model_extra)


class Runtime(Section):
    """Holds what cannot change a result, so that no stage depends on it."""

    log_every: int | None = Field(None, ge=1, le=10**9)  # steps between log lines; null: by time
    track: Track | None = None
    progress: bool = True  # progress bars, where stderr is a terminal
    checkpoint: float | None = Field(30, gt=0, le=1e9)  # seconds to the next; null: none
    keep_last: bool = True  # of a training that ended, for one of more epochs
    workers: int | None = Field(None, ge=1, le=1024)  # DuckDB's threads; null: one a core
    memory: int | None = Field(None, ge=0, le=10**9)  # MB of encoded rows; null: half of the free


class StageParams(BaseModel):
    """Holds the sections of params.yaml that one stage reads; it ignores those of other stages."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    @classmethod
    def load(cls, file: Path = FILE) -> Self:
        """Read and check the stage's sections of the file; raise InputError if they are wrong."""
        document = read_yaml(file)
        if "seed" in document:
            raise InputError(f"{file}: seed", shown(document["seed"]), SEEDS)
        for name, value in document.items():
            if name in keys(cls):
                check_finite(f"{file}: {name}", value)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise input_error(cls, file, document, error) from None


class TrainedModel(StageParams):
    """Holds what a reader of a model file needs of the section `train`: the model's name.

    Of the classes of the user's own, a model file may have only this one imported.
    """

    model: Named

    def trusts(self, name: str) -> bool:
        """Tell whether a model file may name this class, `module:Class`."""
        return name == self.model.name


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
        raise InputError(where, str(e.problem).removeprefix("found "), "valid YAML 1.2") from None
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


def check_finite(where: str, value: object) -> None:
    """Raise InputError for NaN, infinity or a key that is no text, at any depth of the value.

    Keyword arguments of torch and GX classes are free-form, so no type of ours refuses these.
    """
    match value:
        case dict():
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise InputError(where, f"key {shown(key)}", "keys that are text (quote it)")
                check_finite(f"{where}.{key}", inner)
        case list():
            for i, inner in enumerate(value):
                check_finite(f"{where}[{i}]", inner)
        case float() if not math.isfinite(value):
            raise InputError(where, shown(value), "a finite number")


Location = Sequence[int | str]  # keys and list indices from the document to a value


def input_error(
    model: type[BaseModel], file: Path, document: dict[str, Any], error: ValidationError
) -> InputError:
    """Put the first of pydantic's errors in our words."""
    first = error.errors()[0]
    location = without_alternatives(document, first["loc"])
    where = f"{file}: {dotted(location)}"
    key = str(location[-1]) if location else ""
    if first["type"] == "extra_forbidden":
        return InputError(where, "an unknown key", one_of(fields(model, location[:-1]), key))
    if first["type"] == "missing":
        parent: Any = document
        for step in location[:-1]:
            parent = parent[step]
        expected = f"this key, beside {one_of(map(str, parent), key)}"
        if key == "seed":
            expected = f"{expected}; {SEEDS}"
        return InputError(where, "nothing", expected)
    expected = expected_by(first["msg"])
    expected = expected[:1].lower() + expected[1:]
    if "instance of" in expected:  # a section: pydantic names its class, which users never see
        expected = "a section of keys"
    return InputError(where, shown(first["input"]), expected)


def without_alternatives(document: dict[str, Any], location: Location) -> Location:
    """Leave out what pydantic calls the alternatives of a type, such as one value or a list."""
    found: list[int | str] = []
    value: Any = document
    for step in location:
        is_key = isinstance(value, dict) and (step in value or step == location[-1])
        is_index = isinstance(value, list) and isinstance(step, int)
        if is_key or is_index:
            found.append(step)
        if is_index or (is_key and step in value):
            value = value[step]
    return found


def expected_by(message: str) -> str:
    """Take out of pydantic's message what was expected."""
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def dotted(location: Location) -> str:
    """Write a location as users do: `train.model.hidden[0]`."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}"
    return text.removeprefix(".")


def fields(model: type[BaseModel], location: Location) -> list[str]:
    """List the keys that the model knows at a location."""
    for key in location:
        model = section_type(keys(model)[str(key)])
    return list(keys(model))


def section_type(field: FieldInfo) -> type[BaseModel]:
    """Find the section in a field's type, which may be `Section | None`."""
    annotation: Any = field.annotation
    for candidate in getattr(annotation, "__args__", (annotation,)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    raise AssertionError(f"{annotation} is no section")


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Map the names that keys have in params.yaml to the model's fields.

    They differ for `validate`, which is a method of pydantic's.
    """
    return {field.alias or name: field for name, field in model.model_fields.items()}
