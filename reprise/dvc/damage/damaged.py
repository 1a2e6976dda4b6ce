"""Sets damaged files of `.dvc/tmp` aside, so that nothing in them is lost without a word."""

import logging
import os
from pathlib import Path

logger = logging.getLogger("reprise")


def set_aside(path: Path, reason: object) -> None:
    """Give the file another name, and say so: it is not read again.

    path: whatever is there, a folder too; reason: what is wrong with it.
    """
    found = f"{path}: found {reason}; expected what reprise or DVC wrote"
    aside = _free_name(path)
    try:
        path.rename(aside)
    except OSError as e:
        logger.warning("%s; it can't be set aside (%s)", found, e.strerror)
    else:
        logger.warning("%s; set aside as %s", found, aside.name)


def _free_name(path: Path) -> Path:
    """Return the name for the damaged file: no other may be lost for it."""
    number = 1
    while True:
        name = path.with_name(f"{path.name}.damaged-{number}")
        if not os.path.lexists(name):
            return name
        number += 1
