"""Keeps what a dvc.yaml or dvc.lock holds as JSON, which is parsed a hundred times as fast."""

import hashlib
import re
from pathlib import Path
from typing import Any

from dvc import __version__

from reprise.checked_json import read_checked, survives_json, write_checked

ANCHOR = re.compile(r"(?:^|[\s\[{,])&\S", re.MULTILINE)  # or what looks like one
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
        """Keep what the text holds, if JSON gives back the very same.

        It has no values that stand in two places, as YAML has by an anchor.
        """
        if len(text) < LEAST or ANCHOR.search(text):
            return
        if survives_json(data):
            record = {"text": _digest(text), "dvc": __version__, "data": data}
            write_checked(self._file(path), record)

    def _file(self, path: str) -> Path:
        return self._folder / f"{_digest(path)[:32]}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
