"""Closes a Prefect server on this machine: a secret for all who ask it, and no other pages.

Without one, any local user and any page in the user's browser could have it run commands.
"""

import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

from reprise.errors import PipelineError

NAME = "secret"
PROFILES = "profiles.toml"
PROFILE = "serve"
SHORTEST = 32  # characters
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
WORD = re.compile(rf"[A-Za-z0-9_-]{{{SHORTEST},}}")  # as it stands in a header, and in TOML


def own_secret(home: Path) -> str:
    """Read the secret of the server whose home this is; make one where there is none to trust.

    It is in a file that only its owner may read, in a folder that only its owner may enter. Raises
    PipelineError where that can't be.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        file = home / NAME
        secret = ""
        if _is_own(file, others=0o077):
            secret = file.read_text(encoding="utf-8", errors="replace").strip()
        if WORD.fullmatch(secret) is None:
            secret = secrets.token_urlsafe(SHORTEST)
            write_private(file, f"{secret}\n")
        return secret
    except OSError as e:
        raise PipelineError(
            f"{home}: found {e.strerror}; expected a folder for the server's secret and data"
        ) from None


def _is_own(file: Path, others: int) -> bool:
    """Tell whether the file is this user's, and gives nobody else what `others` names.

    others: bits of its mode.
    """
    try:
        status = file.lstat()
    except FileNotFoundError:
        return False
    is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid()
    return is_own and status.st_mode & others == 0


def _follow_own_link(file: Path) -> Path:
    """Return the file that a link leads to, if both are this user's; else the path itself.

    One that others may write is none to trust, and one that is not there yet will be this user's.
    """
    if not file.is_symlink() or file.lstat().st_uid != os.getuid():
        return file
    target = Path(os.path.realpath(file))
    if target.exists() and not _is_own(target, OTHERS_WRITE):
        return file
    return target


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, in place of any that is there."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as private:
        private.write(text)


def closed(secret: str, origin: str) -> dict[str, str]:
    """Return the settings by which a server asks for the secret, and its clients give it.

    origin: of the pages that may ask, such as http://127.0.0.1:4200.
    """
    return {
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_API_AUTH_STRING": secret,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origin,
    }


def write_profile(home: Path, url: str, secret: str) -> None:
    """Let `PREFECT_HOME=… prefect` ask the server, with no secret on its command line.

    Other profiles, other settings of this one, and the profile that is in use stay as they are,
    also where a link leads to them. Raises PipelineError for a file that Prefect can't read.
    """
    # a second to import
    from prefect.settings import PREFECT_PROFILES_PATH, temporary_settings
    from prefect.settings.profiles import load_profiles, save_profiles

    file = _follow_own_link(home / PROFILES)
    own: dict[Any, Any] = {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": secret}
    with temporary_settings({PREFECT_PROFILES_PATH: file}):
        try:
            if not _is_own(file, OTHERS_WRITE):
                write_private(file, "")
            profiles = load_profiles(include_defaults=False)
            profiles.update_profile(PROFILE, own, source=file)
            if profiles.active_name is None:
                profiles.set_active(PROFILE)
            file.chmod(0o600)
            save_profiles(profiles)
        except (OSError, ValueError, TypeError, AttributeError) as e:
            raise PipelineError(
                f"{file}: found {' '.join(str(e).split())}; expected Prefect's profiles, or no file"
            ) from None
