"""Read cut params files as the programs of users do, and compare what they read."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml as pyyaml
from dvc.utils.serialize import parse_py
from ruamel.yaml import YAML

from reprise.params.cut import cut
from reprise.params.keys import Coverage, coverage

Reader = Callable[[str], Any]
READERS: dict[str, list[Reader]] = {  # YAML 1.2, as DVC and as slow ruamel read it, and YAML 1.1
    "yaml": [YAML(typ="safe").load, YAML(typ="safe", pure=True).load, pyyaml.safe_load],
    "json": [json.loads, pyyaml.safe_load],
    "toml": [tomllib.loads],
    "py": [lambda text: filled(parse_py(text, "params.py"))],
}


def filled(value: Any) -> Any:
    """Without classes that have no params."""
    made = {k: filled(v) for k, v in value.items()} if isinstance(value, dict) else value
    return {k: v for k, v in made.items() if v != {}} if isinstance(made, dict) else made


def cut_text(text: str, kind: str, keys: Sequence[str], folder: Path) -> str:
    path = folder / f"params.{kind}"
    path.write_bytes(text.encode())
    return cut(path, keys)


def declared(value: Any, keys: Sequence[str], above: tuple[str, ...] = ()) -> Any:
    """Select the values of the declared keys."""
    if not isinstance(value, dict):
        return value
    selected = {}
    for key, inner in value.items():
        path = (*above, str(key))
        match coverage(path, keys):
            case Coverage.WHOLE:
                selected[key] = inner
            case Coverage.PART:
                part = declared(inner, keys, path)
                if part or not isinstance(inner, dict):
                    selected[key] = part
    return selected


def exact(value: Any) -> Any:
    """Make the value comparable by type and notation.

    1, 1.0 and True differ, nan equals nan; the order of keys does not count.
    """
    if isinstance(value, dict):
        return sorted((repr(k), exact(v)) for k, v in value.items())
    return [exact(v) for v in value] if isinstance(value, list) else repr(value)


def check(text: str, kind: str, keys: Sequence[str], folder: Path) -> str:
    made = cut_text(text, kind, keys, folder)
    for read in READERS[kind]:
        assert exact(read(made)) == exact(declared(read(text), keys)), f"{text}\n--- {keys}\n{made}"
    return made


def all_names(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if "." not in str(key):
                yield (*above, str(key))
                yield from all_names(inner, (*above, str(key)))
