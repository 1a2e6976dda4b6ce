"""Write values as JSON, and text with quotes."""

import json
import re
from typing import Any

# Line ends in the eyes of some readers, and characters that YAML doesn't allow.
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


def quoted(text: str) -> str:
    """Put the text in double quotes, as YAML reads them."""
    written = json.dumps(text, ensure_ascii=False)
    return ESCAPED.sub(lambda character: f"\\u{ord(character[0]):04x}", written)
