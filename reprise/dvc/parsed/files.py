"""Keeps what a dvc.yaml or dvc.lock holds as JSON, which is parsed a hundred times as fast."""

import hashlib
import math
from pathlib import Path
from typing import Any

from dvc import __version__

from reprise.checked_json import read_checked, write_checked

LEAST = 10_000  # characters; shorter ones are parsed in no time


class ParsedFiles:
    """Holds a file for each of DVC's, with what was in it when it was last parsed and checked."""

    def __init__(self, folder: Path) -> None:
        """Take the folder. Nothing is read or made yet."""
        self._folder = folder

    def find(self, path: str, text: str) -> Any:
        """Return what the text holds; None where it was not the last one of the path's file."""
        if len(text) < LEAST:
            return None
        match read_checked(self._file(path)):
            case {"text": digest, "dvc": version, "data": data}:
                if digest == _digest(text) and version == __version__:
                    return data
        return None

    def keep(self, path: str, text: str, data: Any) -> None:
        """Keep what the text holds, if JSON gives back the very same."""
        if len(text) >= LEAST and is_plain(data):
            record = {"text": _digest(text), "dvc": __version__, "data": data}
            write_checked(self._file(path), record)

    def _file(self, path: str) -> Path:
        return self._folder / f"{_digest(path)[:32]}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def is_plain(value: Any) -> bool:
    """Tell whether the value is made of what JSON has, and nothing in it stands in two places."""
    return _is_plain(value, set())


def _is_plain(value: Any, containers: set[int]) -> bool:
    if value is None or type(value) in (str, int, bool):
        return True
    if type(value) is float:
        return math.isfinite(value)
    if type(value) not in (dict, list) or id(value) in containers:
        return False
    containers.add(id(value))
    if type(value) is list:
        return all(_is_plain(item, containers) for item in value)
    if not all(type(key) is str for key in value):
        return False
    return all(_is_plain(item, containers) for item in value.values())
