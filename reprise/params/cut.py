"""Cut a params file down to the declared keys: values and their notation stay, other keys go."""

import json
from collections.abc import Sequence
from pathlib import Path

from reprise.params.keys import select_declared
from reprise.params.python import cut_python
from reprise.params.serialize import Number, json_text
from reprise.params.toml import cut_toml
from reprise.params.yaml import cut_yaml


def cut(path: Path, keys: Sequence[str], text: str | None = None) -> str:
    """Return the file's text with the declared keys only, or all of it where none is declared.

    text: the file's, if it was read before.
    """
    if text is None:
        text = path.read_bytes().decode("utf-8")  # not read_text, which changes line ends
    if not keys:
        return text
    match path.suffix.lower():
        case ".json":
            document = json.loads(text, parse_float=Number, parse_int=Number)
            return json_text(select_declared(document, keys)) + "\n"
        case ".toml":
            return cut_toml(text, keys)
        case ".py":
            return cut_python(text, keys)
    return cut_yaml(text, keys)
