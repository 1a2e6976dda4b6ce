"""Write values as JSON and TOML."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Line ends in the eyes of some readers, and characters that TOML and YAML don't allow.
ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class Number(str):
    """Holds a JSON number as it stands in the text.

    YAML readers read JSON too, and take 1e-05, as Python writes it, for text, but not 0.00001.
    """


def json_text(value: Any, line_start: str = "\n") -> str:
    """Write a value as JSON, two blanks a level.

    line_start: a line end and the blanks of the level on which the value starts.
    """
    inner = f"{line_start}  "
    match value:
        case Number():
            return value
        case dict() if value:
            opening, closing = "{", "}"
            items = []
            for key, item in value.items():
                items.append(f"{json.dumps(key)}: {json_text(item, inner)}")
        case list() if value:
            opening, closing = "[", "]"
            items = [json_text(item, inner) for item in value]
        case _:
            return json.dumps(value)
    return opening + inner + f",{inner}".join(items) + line_start + closing


def toml_lines(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Yield the lines of a TOML table: its values, then the tables in it.

    name: of the table, dotted; empty for the whole file.
    """
    tables = {}
    for key, value in table.items():
        if isinstance(value, dict):
            tables[key] = value
        else:
            yield f"{_toml_key(key)} = {_toml_value(value)}"
    for key, inner_table in tables.items():
        inner_name = f"{name}.{_toml_key(key)}".lstrip(".")
        yield f"[{inner_name}]"
        yield from toml_lines(inner_table, inner_name)


def _toml_value(value: Any) -> str:
    match value:
        case dict():
            entries = []
            for key, item in value.items():
                entries.append(f"{_toml_key(key)} = {_toml_value(item)}")
            return "{" + ", ".join(entries) + "}"
        case list():
            return "[" + ", ".join(map(_toml_value, value)) + "]"
        case str():
            return quoted(value)
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
    return str(value.isoformat())  # dates and times


def _toml_key(key: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]+", key):
        return key
    return quoted(key)


def quoted(text: str) -> str:
    """Put the text in double quotes, as TOML and YAML read them."""
    written = json.dumps(text, ensure_ascii=False)
    return ESCAPED.sub(lambda character: f"\\u{ord(character[0]):04x}", written)
