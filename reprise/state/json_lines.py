"""Read and append to files of JSON lines, which a kill may cut off."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from reprise.dvc.damage.damaged import set_aside

T = TypeVar("T")


def read_lines(path: Path, parse: Callable[[Any], T]) -> list[T]:
    """Read the lines of the file; none where there is no file.

    A last line without an end was cut off, and is left out. Where anything else is wrong, the file
    is set aside, and its good lines take its place.

    parse: makes a result of the JSON of a line, or raises ValueError where that is none.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as e:
        set_aside(path, e.strerror)
        return []
    results = []
    good: list[Any] = []
    reason = None
    for number, line in enumerate(lines[:-1], start=1):
        try:
            value = json.loads(line.decode("utf-8"))
            results.append(parse(value))
            good.append(value)
        except (ValueError, RecursionError) as e:
            reason = reason or f"in line {number} what can't be read ({e})"
    if reason is not None:
        set_aside(path, reason)
        if good and not path.exists():
            append_lines(path, good)
    return results


def append_lines(path: Path, values: Iterable[Any]) -> None:
    """Append a line for each value, in place of one that a kill cut off."""
    if path.is_dir():
        set_aside(path, "a folder")
    lines = [json.dumps(value, default=str) + "\n" for value in values]
    try:
        with path.open("a+b") as file:
            _cut_to_lines(file)
            file.write("".join(lines).encode())
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(path)) from None  # a full disk has no name


def _cut_to_lines(file: BinaryIO) -> None:
    """Cut off a last line without an end. The file is at its end before and after."""
    if file.tell() == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
