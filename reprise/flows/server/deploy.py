"""Keeps `prefect deploy` from taking over the deployments of another project on the server.

prefect.yaml names `check_owner` as a step of `build`, which `prefect deploy` runs before all else.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.responses import DeploymentResponse

from reprise.errors import PipelineError
from reprise.flows.server.project import FILE, read_deployments
from reprise.forge.registry import GIT_ADDRESS
from reprise.git import git, redacted

FOLDER = "set_working_directory"  # the steps, of `pull`, that say where a run finds the project
CLONE = "git_clone"


def check_owner() -> None:
    """Raise PipelineError if the server has deployments of prefect.yaml's names of another project.

    Those of another clone of this project are taken over, which is said.
    """
    deployments = read_deployments(Path(FILE))
    filter_ = DeploymentFilter.model_validate({"name": {"any_": deployments.names}})
    with get_client(sync_client=True) as client:
        there = client.read_deployments(deployment_filter=filter_)
    for deployment in there:
        place = place_of(deployment)
        if place is None or is_here(place):
            continue
        if not is_same_project(place):
            raise PipelineError(
                f"{FILE}: name: found {deployments.project!r}, by which the server has"
                f" {deployment.name} of another project ({redacted(place)}); expected another name"
                f" (replace it throughout the file), or none there (`prefect deployment delete`)"
            )
        print(f"{deployment.name} ran in {redacted(place)}; from now on it runs in {Path.cwd()}")


def place_of(deployment: DeploymentResponse) -> str | None:
    """Return the folder that a deployment's runs work in, or the address that they clone."""
    return find_place(deployment.pull_steps or []) or deployment.path


def find_place(steps: Sequence[dict[str, Any]]) -> str | None:
    """Find folder or address in the steps of `pull`."""
    for step in steps:
        for name, inputs in step.items():
            if name.endswith(f".{CLONE}"):
                return str(inputs["repository"])
            if name.endswith(f".{FOLDER}"):
                return str(inputs["directory"])
    return None


def is_here(place: str) -> bool:
    """Tell whether a place is this folder."""
    return Path(place).is_dir() and Path(place).samefile(Path.cwd())


def is_same_project(place: str) -> bool:
    """Tell whether a folder or address has the origin of this folder's repository."""
    own = origin_of(Path.cwd())
    other = origin_of(Path(place)) if Path(place).is_dir() else place
    return own is not None and other is not None and address(own) == address(other)


def origin_of(folder: Path) -> str | None:
    """Return the address of the repository that a folder was cloned from; None without one."""
    try:
        return git("remote", "get-url", "origin", folder=folder)
    except PipelineError:
        return None


def address(origin: str) -> str:
    """Write an origin without what differs between ways to reach it: scheme, user and suffix."""
    if Path(origin).is_dir():
        return str(Path(origin).resolve())
    parts = GIT_ADDRESS.match(origin)
    return origin if parts is None else f"{parts['host'].lower()}/{parts['project']}"
