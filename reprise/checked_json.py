"""Write JSON with a checksum, and read it back if it is whole."""

import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any


def read_checked(path: Path) -> object:
    """Read what `write_checked` wrote; None where that is not there, or not whole."""
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
        if int(checksum, 16) == zlib.crc32(content):
            value: object = json.loads(content)
            return value
    except (OSError, ValueError, RecursionError):
        pass
    return None


def write_checked(path: Path, value: object) -> None:
    """Write a value that JSON has a form for, in place of what was there.

    Where nothing can be written, nothing is. Two processes may write at once, or one be killed:
    the checksum tells.
    """
    content = json.dumps(value).encode()
    part = path.with_suffix(".part")
    with suppress(OSError):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(b"%08x\n%s" % (zlib.crc32(content), content))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def survives_json(value: Any) -> bool:
    """Tell whether JSON gives back an equal value."""
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError, RecursionError):
        return False
