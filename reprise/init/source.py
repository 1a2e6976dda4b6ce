"""Finds out what CI is to install: this reprise, and what the repository's stages import."""

import json
import tomllib
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from reprise.errors import PipelineError
from reprise.forge.git_credentials import split_login
from reprise.git import git

DISTRIBUTION = "dvc-reprise"


def find_source() -> str | None:
    """Return what pip installs this very reprise by: its repository's address and the commit.

    None where it came from no repository that is reached by HTTPS. A bare name is none: the index
    may have another project of that name.
    """
    installed = distribution(DISTRIBUTION).read_text("direct_url.json")
    origin = json.loads(installed or "{}")
    if "vcs_info" in origin:
        return _requirement(origin["url"], origin["vcs_info"]["commit_id"])
    if "dir_info" in origin:
        clone = Path(unquote(urlsplit(origin["url"]).path))
        with suppress(PipelineError, OSError):  # no clone, no origin
            address = git("remote", "get-url", "origin", folder=clone)
            return _requirement(address, git("rev-parse", "HEAD", folder=clone))
    return None


def _requirement(address: str, commit: str) -> str | None:
    bare, _ = split_login(address)
    if not bare.startswith("https://"):
        return None
    return f"{DISTRIBUTION}[review] @ git+{bare}@{commit}"


def find_requirements(root: Path) -> str:
    """Return the words by which pip installs what the repository names; empty where it does not."""
    if (root / "requirements.txt").exists():
        return "-r requirements.txt"
    if (root / "setup.py").exists() or (root / "setup.cfg").exists() or _is_project(root):
        return "."
    return ""


def _is_project(root: Path) -> bool:
    """Tell whether pyproject.toml describes a package, and not the settings of tools alone."""
    file = root / "pyproject.toml"
    try:
        return file.exists() and "project" in tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False
