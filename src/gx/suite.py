"""Makes Great Expectations' expectations by their names and arguments in params.yaml."""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from great_expectations.compatibility.pydantic import ValidationError
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.registry import (
    get_expectation_impl,
    list_registered_expectation_implementations,
)

from src.construct import Refusing
from src.errors import InputError, one_of, shown

# Arguments of every expectation that say nothing of the data.
GENERAL = {
    "id",
    "meta",
    "notes",
    "result_format",
    "catch_exceptions",
    "rendered_content",
    "windows",
    "batch_id",
}

LIMITS = {"min_value", "max_value"}


def expectations(
    where: str, declared: list[dict[str, Any]], columns: list[str]
) -> list[Expectation]:
    """Make expectations; `columns`, a pattern or a list of them, makes one for each column.

    Raises InputError for a name, argument or pattern that is wrong.
    """
    built: list[Expectation] = []
    for i, entry in enumerate(declared):
        for name, kwargs in entry.items():
            built += expectations_of_entry(f"{where}[{i}]", name, dict(kwargs or {}), columns)
    return built


def expectations_of_entry(
    where: str, name: str, kwargs: dict[str, Any], columns: list[str]
) -> list[Expectation]:
    """Make the expectations of one name: one, or one for each column that `columns` matches."""
    known = list_registered_expectation_implementations()
    if name not in known:
        expected = f"a Great Expectations expectation: {one_of(known, name)}"
        raise InputError(where, shown(name), expected)
    cls = get_expectation_impl(name)
    where = f"{where}.{name}"
    if "columns" not in kwargs or "columns" in cls.__fields__:
        return [construct(where, cls, kwargs)]
    patterns = kwargs.pop("columns")
    if not isinstance(patterns, list):
        patterns = [patterns]
    matched = matching_columns(f"{where}.columns", patterns, columns)
    return [construct(where, cls, {**kwargs, "column": column}) for column in matched]


def matching_columns(where: str, patterns: list[Any], columns: list[str]) -> list[str]:
    """List the columns that match any of the patterns, each once."""
    matched: list[str] = []
    for pattern in patterns:
        found = [name for name in columns if name == pattern or fnmatchcase(name, str(pattern))]
        if not found:
            expected = f"a pattern of columns: {one_of(columns, str(pattern))}"
            raise InputError(where, shown(pattern), expected)
        matched += found
    return list(dict.fromkeys(matched))


def construct(where: str, cls: type[Expectation], kwargs: dict[str, Any]) -> Expectation:
    """Make one expectation; raise InputError for an unknown, missing or refused argument."""
    for key, value in kwargs.items():
        if isinstance(value, dict) and "$PARAMETER" in value:
            expected = "the value itself: nothing sets parameters of a suite"
            raise InputError(f"{where}.{key}", shown(value), expected)
    for key in LIMITS & kwargs.keys():
        kwargs[key] = in_utc(kwargs[key])
    with Refusing(where, cls, kwargs):
        try:
            return cls(**kwargs)
        except ValidationError as e:
            raise input_error(where, cls, kwargs, e) from None


def in_utc(value: Any) -> Any:
    """Take the offset off a time, as the prepared times have none; leave other values as they are.

    Python, in which GX compares the largest and smallest times, compares none with and without.
    """
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return value
    if time.tzinfo is None:
        return value
    return time.astimezone(UTC).replace(tzinfo=None)


def input_error(
    where: str, cls: type[Expectation], kwargs: dict[str, Any], error: ValidationError
) -> InputError:
    """Put the first of pydantic's errors in our words."""
    first = error.errors()[0]
    key = str(first["loc"][0])
    if first["type"] == "value_error.extra":
        known = [name for name in cls.__fields__ if name not in GENERAL]
        return InputError(f"{where}.{key}", "an unknown argument", one_of(known, key))
    expected = first["msg"]
    if "value_error.date" in {other["type"] for other in error.errors()}:
        expected = "a number, or a date such as '2024-01-31'"
    return InputError(f"{where}.{key}", shown(kwargs.get(key)), expected)
