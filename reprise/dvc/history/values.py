"""Collects the values of metrics and params files, by dotted key."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Values = dict[str, dict[str, Any]]  # file: dotted key: value


def collect_values(result: Mapping[str, Any], errors: list[str]) -> Values:
    """Collect what `dvc metrics show` or `dvc params show` tells of one revision.

    What it could not read is appended to `errors`.
    """
    if "error" in result:
        errors.append(str(result["error"]))
    values: Values = {}
    for file, content in result.get("data", {}).items():
        if "error" in content:
            errors.append(f"{file}: {content['error']}")
        else:
            values[Path(file).as_posix()] = dict(flatten(content["data"]))
    return values


def flatten(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Iterate over the values of nested mappings, with dotted keys. An empty mapping is a value.

    path: the keys of the mappings around the value.
    """
    if not isinstance(value, Mapping) or not value:
        yield ".".join(path), value
        return
    for name, inner in value.items():
        yield from flatten(inner, (*path, str(name)))
