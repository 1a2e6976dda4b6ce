"""Switches off the schedules of deployments that prefect.yaml has no more."""

from collections.abc import Iterator
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from reprise.flows.server.owner import find_owner, is_here, own_address, place_of
from reprise.flows.server.project import Deployments

PAGE = 200  # deployments that the server returns at once
DUE = {"state": {"name": {"any_": ["Scheduled", "Late"]}}}  # a retry is of another name


def switch_off_stale(url: str, secret: str, deployments: Deployments) -> list[str]:
    """Switch off the schedules of this project's deployments of names that it has no more.

    They would run on, with the parameters of before. Those of others stay as they are. What was
    due while no server ran is removed too. Returns a line for each deployment.
    """
    lines = []
    settings = {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: secret}
    with temporary_settings(settings), get_client(sync_client=True) as client:
        for deployment in _find_stale(client, deployments):
            active = [schedule for schedule in deployment.schedules if schedule.active]
            if not active:
                continue
            for schedule in active:
                client.update_deployment_schedule(deployment.id, schedule.id, active=False)
            _remove_due_runs(client, deployment)
            lines.append(
                f"{deployment.name}: prefect.yaml has no such deployment any more;"
                " its schedule is switched off"
            )
    return lines


def _find_stale(
    client: SyncPrefectClient, deployments: Deployments
) -> Iterator[DeploymentResponse]:
    there: list[DeploymentResponse] = []
    while len(page := client.read_deployments(limit=PAGE, offset=len(there))) > 0:
        there += page
    for deployment in there:
        if deployment.name not in deployments.names and _is_ours(deployment, deployments):
            yield deployment


def _is_ours(deployment: DeploymentResponse, deployments: Deployments) -> bool:
    """Tell whether a deployment runs a flow of this project: by its tag, or in this folder.

    One without a tag that clones may be another branch's, and is left alone.
    """
    owner = find_owner(deployment.tags)
    if owner is not None and owner != own_address(Path.cwd()):
        return False
    place = place_of(deployment)
    if place is None or deployment.entrypoint not in deployments.entrypoints:
        return False
    return owner is not None or is_here(place)


def _remove_due_runs(client: SyncPrefectClient, deployment: DeploymentResponse) -> None:
    """Remove the runs that the schedule made and no worker has begun."""
    filters = DeploymentFilter.model_validate({"id": {"any_": [deployment.id]}})
    runs = client.read_flow_runs(
        deployment_filter=filters, flow_run_filter=FlowRunFilter.model_validate(DUE)
    )
    for run in runs:
        if run.auto_scheduled and run.run_count == 0:
            client.delete_flow_run(run.id)
