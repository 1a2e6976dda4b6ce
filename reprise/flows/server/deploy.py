"""Keeps `prefect deploy` from taking over the deployments of another project on the server.

prefect.yaml names `check_owner` as a step of `build`, which `prefect deploy` runs before all else,
and what it returns in a tag of each deployment.
"""

import os
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.responses import DeploymentResponse

from reprise.errors import PipelineError
from reprise.flows.server.owner import (
    find_owner,
    folder_address,
    is_here,
    own_address,
    place_of,
)
from reprise.flows.server.project import FILE, NOTE, Deployments, read_deployments
from reprise.git import redacted

TAKE_OVER = "REPRISE_TAKE_OVER"  # of the environment: 1 takes deployments over, whosever they are


def check_owner(file: str = FILE) -> dict[str, str]:
    """Check that what the server has under the names of a prefect.yaml is of this project.

    file: the one that is deployed by, if `--prefect-file` names another.
    Returns the address for the tag of a deployment: `deployed-from:{{ owner.address }}`. What
    another clone of this project deployed is taken over, which is said. Raises PipelineError for
    what is of another project, and where nothing says of which.
    """
    deployments = read_deployments(Path(file))
    own = own_address(Path.cwd())
    filter_ = DeploymentFilter.model_validate({"name": {"any_": deployments.names}})
    with get_client(sync_client=True) as client:
        there = client.read_deployments(deployment_filter=filter_)
    for deployment in there:
        _check(deployment, deployments, own, file)
    return {"address": own}


def _check(deployment: DeploymentResponse, deployments: Deployments, own: str, file: str) -> None:
    """Check one deployment of the server. own: the address of this project."""
    owner = find_owner(deployment.tags)
    is_own = owner in (own, folder_address(Path.cwd()))  # it may have had no origin then
    place = redacted(place_of(deployment) or "no folder")
    if not is_own and os.environ.get(TAKE_OVER) != "1":
        whose = f"of another project ({owner}, in {place}; this is {own})"
        if owner is None:
            whose = f"({place}), and can't tell of which project: it has no tag that says so"
        raise PipelineError(
            f"{file}: name: found {deployments.project!r}, by which the server has"
            f" {deployment.name} {whose}; expected another name (replace it throughout the file),"
            f" or none there (`prefect deployment delete`), or {TAKE_OVER}=1 if it is this project"
        )
    now = deployments.places.get(deployment.name) or str(Path.cwd())
    if place != redacted(now) and not (is_here(place) and is_here(now)):
        print(f"{NOTE}{deployment.name} ran in {place}; from now on it runs in {redacted(now)}")
