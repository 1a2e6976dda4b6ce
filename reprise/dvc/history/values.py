"""The values of metrics and params files, by dotted key."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Values = dict[str, dict[str, Any]]  # file: dotted key: value


def values_of(result: Mapping[str, Any], errors: list[str]) -> Values:
    """Of what `dvc metrics show` or `dvc params show` found in one revision; what it could not read joins `errors`."""
    if "error" in result:
        errors.append(str(result["error"]))
    made: Values = {}
    for file, found in result.get("data", {}).items():
        if "error" in found:
            errors.append(f"{file}: {found['error']}")
        else:
            made[Path(file).as_posix()] = dict(flat(found["data"]))
    return made


def flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
