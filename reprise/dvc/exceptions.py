"""What DVC raises, and what a user reads of it."""

from dulwich.file import FileLocked
from dvc.exceptions import DvcException

DVC_ERRORS = (DvcException, OSError, UnicodeError, FileLocked)


def describe_error(e: BaseException) -> str:
    """What a user reads of one of DVC_ERRORS."""
    cause = f": {e.__cause__}" if e.__cause__ else ""
    if isinstance(e, OSError) and e.filename:
        return f"{e.filename}: {e.strerror}"
    return f"{e}{cause}"
