"""Read and append to files of JSON lines, which a kill may cut off."""

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
    """Append a line for each value. The first begins a new line even where a kill cut one off."""
    lines = [json.dumps(value, default=str) + "\n" for value in values]
    with path.open("a+b") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write("".join(lines).encode())
