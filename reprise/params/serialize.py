"""Values written anew, as JSON and TOML."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

ESCAPED = re.compile(
    "[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
)  # ends of lines, or not allowed


class Number(str):
    """As it stands in the text: YAML readers read JSON too, and take 1e-05 for text, but not 0.00001."""


def json_text(value: Any, indent: str = "\n") -> str:
    """Indented by two blanks a level."""
    inner = f"{indent}  "
    match value:
        case dict() if value:
            entries = (f"{inner}{json.dumps(k)}: {json_text(v, inner)}" for k, v in value.items())
            return f"{{{','.join(entries)}{indent}}}"
        case list() if value:
            return f"[{','.join(f'{inner}{json_text(v, inner)}' for v in value)}{indent}]"
        case Number():
            return value
    return json.dumps(value)


def toml_lines(table: Mapping[str, Any], header: str = "") -> Iterator[str]:
    """The lines of a table: its values, then the tables in it."""
    yield from (
        f"{_toml_key(k)} = {_toml_value(v)}" for k, v in table.items() if not isinstance(v, dict)
    )
    for key, inner in table.items():
        if isinstance(inner, dict):
            name = f"{header}.{_toml_key(key)}".lstrip(".")
            yield from (f"[{name}]", *toml_lines(inner, name))


def _toml_value(value: Any) -> str:
    match value:
        case dict():
            return (
                f"{{{', '.join(f'{_toml_key(k)} = {_toml_value(v)}' for k, v in value.items())}}}"
            )
        case list():
            return f"[{', '.join(map(_toml_value, value))}]"
        case str():
            return quoted(value)
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
    return str(value.isoformat())  # dates and times


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else quoted(key)


def quoted(text: str) -> str:
    """As TOML and YAML quote it."""
    return ESCAPED.sub(lambda end: f"\\u{ord(end[0]):04x}", json.dumps(text, ensure_ascii=False))
