"""Puts a recipe over params.yaml: each of its keys replaces the one there, and comments stay.

python -m recipes tabular
"""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from src.cli import guarded
from src.errors import InputError, one_of, shown
from src.files import write_text
from src.params import FILE, read_yaml

FOLDER = Path(__file__).parent
Document = dict[str, Any]  # a section by its name


def round_trip() -> YAML:
    """Return a reader and writer of YAML that keeps comments, quotes, long lines and `null`."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def read_recipe(name: str) -> Document:
    """Read a recipe; raise InputError if there is none of the name, or it can't be read."""
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if name not in known:
        raise InputError("recipes", shown(name), one_of(known, name))
    file = FOLDER / f"{name}.yaml"
    read_yaml(file)  # raises InputError for what is no mapping
    recipe: Document = round_trip().load(file)
    return recipe


def put_over(text: str, recipe: Document) -> tuple[str, list[str]]:
    """Replace the keys of a params file by those of the recipe; describe each that changes."""
    yaml = round_trip()
    document = yaml.load(text)
    changes = replaced(document, recipe, "")
    out = io.StringIO()
    yaml.dump(document, out)
    written = out.getvalue()
    # An empty line belongs to the value above it, and goes with it.
    for section in re.findall(r"^\n(\w+):", text, re.MULTILINE):
        written = re.sub(rf"\n+{section}:", f"\n\n{section}:", written, count=1)
    return written, changes


def replaced(old: Document, new: Document, prefix: str) -> list[str]:
    """Replace values in place, and describe each that changes, after its key.

    A mapping is gone into, unless it names a class: its other keys are arguments of that class.
    """
    changes = []
    for key, value in new.items():
        before = old.get(key)
        are_mappings = isinstance(before, dict) and isinstance(value, dict)
        if are_mappings and "name" not in value:
            changes += replaced(old[key], value, f"{prefix}{key}.")
        elif before != value:
            changes.append(f"{prefix}{key}: {in_line(before)} → {in_line(value)}")
            old[key] = value
    return changes


def in_line(value: object) -> str:
    """Write a value much as YAML does, on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False).replace('"', "")
    return text if len(text) <= 100 else f"{text[:97]}..."


def run(name: str) -> None:
    """Put the recipe over params.yaml, and print what that changes."""
    read_yaml(FILE)  # raises InputError for what is no mapping
    text, changes = put_over(FILE.read_text(encoding="utf-8"), read_recipe(name))
    write_text(FILE, text)
    print("\n".join(changes or ["nothing to change"]))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    guarded("recipes", lambda: run(sys.argv[1]))
