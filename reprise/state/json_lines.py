"""Files of JSON lines that are appended to, and that a kill may cut off."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> Iterator[Any]:
    """Read the file's whole lines, parsed; one that was cut off is left out."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        with suppress(json.JSONDecodeError):
            yield json.loads(line)


def append_lines(path: Path, values: Iterable[Any]) -> None:
    """Append a line for each value, on lines of their own also after one that was cut off."""
    lines = "".join(json.dumps(value, default=str) + "\n" for value in values)
    with path.open("a+b") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(lines.encode())
