"""Says whose a deployment is, by a tag that `prefect deploy` writes: the project's git origin.

A project without an origin is known by its folder and the machine's name.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.errors import PipelineError
from reprise.forge.registry import GIT_ADDRESS
from reprise.git import git

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

PREFIX = "deployed-from:"  # of the tag
LOGIN = re.compile(r"(?<=://)[^/\s]*@")
QUERY = re.compile(r"(?<=[^/])[?#].*")  # which may hold a token
OF_A_HOST = re.compile(r"[\w+.-]+://|[^/]+:")  # git takes any other address for a path
STEP_OF_A_FOLDER = "set_working_directory"  # the steps, of `pull`, that say where a run works
STEP_OF_A_CLONE = "git_clone"


def own_address(folder: Path) -> str:
    """Say which project a folder has, such as `github.com/team/digits`.

    Of a repository with many projects, the folder in it too: `github.com/team/all#digits`.
    """
    origin = origin_of(folder)
    if origin is None:
        return folder_address(folder)
    top = Path(git("rev-parse", "--show-toplevel", folder=folder))
    inside = git("rev-parse", "--show-prefix", folder=folder).rstrip("/")
    return f"{address(origin, top)}#{inside}".rstrip("#")


def folder_address(folder: Path) -> str:
    """Say which project a folder has that has no origin, such as `host:/home/me/digits`."""
    return address(str(folder.resolve()), folder)


def find_owner(tags: Iterable[str]) -> str | None:
    """Find the address in the tags of a deployment; None where nobody wrote one."""
    for tag in tags:
        if tag.startswith(PREFIX):
            return tag.removeprefix(PREFIX)
    return None


def origin_of(folder: Path) -> str | None:
    """Return the address of the repository that a folder was cloned from; None without one."""
    try:
        return git("remote", "get-url", "origin", folder=folder)
    except PipelineError:
        return None


def address(origin: str, folder: Path) -> str:
    """Write an origin without what differs between ways to reach it: scheme, login and suffix.

    A path is one of this machine. folder: whose origin it is.
    """
    bare = without_login(origin)
    if bare.startswith("file://") or OF_A_HOST.match(bare) is None:
        path = folder / bare.removeprefix("file://")
        return f"{socket.gethostname()}:{path.resolve()}"
    parts = GIT_ADDRESS.match(bare)
    if parts is None:
        return bare
    return f"{parts['host'].lower()}/{parts['project']}"


def without_login(origin: str) -> str:
    """Leave out of an origin what may be a secret: the login before its host, and its query."""
    return QUERY.sub("", LOGIN.sub("", origin))


def place_of(deployment: "DeploymentResponse") -> str | None:
    """Return the folder that a deployment's runs work in, or the address that they clone."""
    return find_place(deployment.pull_steps or []) or deployment.path


def find_place(steps: Sequence[dict[str, Any]]) -> str | None:
    """Find folder or address in the steps of `pull`."""
    for step in steps:
        for name, inputs in step.items():
            if name.endswith(f".{STEP_OF_A_CLONE}"):
                return str(inputs["repository"])
            if name.endswith(f".{STEP_OF_A_FOLDER}"):
                return str(inputs["directory"])
    return None


def is_here(place: str) -> bool:
    """Tell whether a place is this folder. A relative one is anybody's."""
    path = Path(place)
    return path.is_absolute() and path.is_dir() and path.samefile(Path.cwd())
