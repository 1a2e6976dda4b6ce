"""Keeps what the entries of the run-cache hold, so that each is parsed once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dvc import __version__

from reprise.checked_json import read_checked, survives_json, write_checked

Parsed = dict[str, list[Any]]  # by path: the file's signature, and what it holds


def read_runs(
    folder: Path, kept_in: Path, load: Callable[[Path], dict[str, Any] | None]
) -> Iterator[dict[str, Any]]:
    """Iterate over what the entries in the run-cache's folder hold.

    kept_in: the file for later processes. load: parses an entry; None where it is damaged.
    """
    before = _read(kept_in)
    parsed: Parsed = {}
    for path in folder.glob("*/*/*"):
        name = str(path.relative_to(folder))
        signature = _sign(path)
        match before.get(name):
            case [kept, entry] if kept == signature:
                pass
            case _:
                entry = load(path)
        if entry:
            if survives_json(entry):
                parsed[name] = [signature, entry]
            yield entry
    if parsed != before:
        write_checked(kept_in, {"dvc": __version__, "runs": parsed})


def _read(file: Path) -> Parsed:
    match read_checked(file):
        case {"dvc": version, "runs": dict(runs)} if version == __version__:
            return runs
    return {}


def _sign(path: Path) -> list[int]:
    """Return what is another if the file is: its name is the hash of what it was written with."""
    try:
        status = os.stat(path)
    except OSError:  # another process has removed it
        return []
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
