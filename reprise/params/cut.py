"""A params file cut down to the declared keys: values and their notation stay, other keys go."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

from reprise.params.keys import declared_of
from reprise.params.python import cut_python
from reprise.params.serialize import Number, json_text, toml_lines
from reprise.params.yaml import cut_yaml


def cut(path: Path, keys: Sequence[str]) -> str:
    """The file's text with the declared keys only (all of it where none is declared)."""
    text = path.read_bytes().decode("utf-8")  # line ends stay
    if not keys:
        return text
    match path.suffix.lower():
        case ".json":
            return (
                json_text(
                    declared_of(json.loads(text, parse_float=Number, parse_int=Number), keys, ())
                )
                + "\n"
            )
        case ".toml":
            return "\n".join(toml_lines(declared_of(tomllib.loads(text), keys, ()))) + "\n"
        case ".py":
            return cut_python(text, keys)
    return cut_yaml(text, keys)
