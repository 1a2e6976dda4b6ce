"""What DVC raises, and what a user reads of it."""

from dulwich.file import FileLocked
from dvc.exceptions import DvcException

FAILURES = (DvcException, OSError, UnicodeError, FileLocked)


def message(e: BaseException) -> str:
    """What a user reads of one of FAILURES."""
    cause = f": {e.__cause__}" if e.__cause__ else ""
    if isinstance(e, OSError) and e.filename:
        return f"{e.filename}: {e.strerror}"
    return f"{e}{cause}"
