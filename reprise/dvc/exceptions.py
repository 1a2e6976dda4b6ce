"""Lists what DVC raises, and says what a user reads of it."""

from dulwich.file import FileLocked
from dvc.exceptions import DvcException

DVC_ERRORS = (DvcException, OSError, UnicodeError, FileLocked)


def describe_error(error: BaseException) -> str:
    """Say in one line what one of DVC_ERRORS means."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if error.__cause__:
        return f"{error}: {error.__cause__}"
    return str(error)
