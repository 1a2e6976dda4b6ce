"""Read the file that a stage's commands print to, while it grows."""

import os
from pathlib import Path

TAIL = 20_000  # bytes in which an error is looked for


class Log:
    """Reads a log file piece by piece, and remembers how far it has read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0  # bytes that were read

    def new_lines(self, *, whole: bool = False) -> list[str]:
        """Read the lines since the last call. whole: also a last one without a line end."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        if not whole:
            # A progress bar has no line ends, but returns. A last one may belong to a \n.
            end = max(new.rfind(b"\n"), new.rfind(b"\r", 0, -1))
            new = new[: end + 1]
        self._position += len(new)
        return new.decode("utf-8", "replace").splitlines()

    def tail(self) -> str:
        """Read the last TAIL bytes, whatever was read before."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            return file.read().decode("utf-8", "replace")
