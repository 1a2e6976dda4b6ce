"""The file that a stage's commands print to, read while it grows."""

import os
from pathlib import Path

TAIL = 20_000  # bytes in which an error is looked for


class Log:
    """Remembers what was read of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0  # bytes

    def new_lines(self, *, whole: bool = False) -> list[str]:
        """The lines since the last call; `whole`: also a last one without a line end."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        if not whole:
            new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        return new.decode("utf-8", "replace").splitlines()

    def tail(self) -> str:
        """The end, whatever was read."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            return file.read().decode("utf-8", "replace")
