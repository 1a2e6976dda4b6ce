"""Ends runs that a dead worker left *Running*: by an automation on the server.

prefect.yaml names `end_lost_runs` as a step of `build`, which `prefect deploy` runs.
"""

from datetime import timedelta
from pathlib import Path

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY

from reprise.errors import PipelineError
from reprise.flows.server.owner import PREFIX, own_address
from reprise.flows.server.project import FILE, read_deployments

HEARTBEAT = "prefect.flow-run.heartbeat"


def end_lost_runs(minutes: float = 10, file: str = FILE) -> None:
    """Have the server call a run of this project Crashed that was not heard of for that long.

    file: as of `check_owner`. A run that ended or was cancelled was heard of. An automation that
    somebody switched off stays so. Raises PipelineError for less time than lies between two
    heartbeats.
    """
    heartbeat = PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value()
    if heartbeat is None:
        raise PipelineError(
            f"{file}: end_lost_runs: found heartbeats switched off"
            " (PREFECT_FLOWS_HEARTBEAT_FREQUENCY); expected them, which tell that a run lives"
        )
    if minutes * 60 <= heartbeat:
        raise PipelineError(
            f"{file}: end_lost_runs: minutes: found {minutes:g}; expected more than"
            f" {heartbeat / 60:g}, the time between two heartbeats of a run"
        )
    project = read_deployments(Path(file)).project
    save(make_automation(project, own_address(Path.cwd()), timedelta(minutes=minutes)))


def make_automation(project: str, owner: str, silence: timedelta) -> Automation:
    """Describe the automation. owner: the address in the tag of the project's runs."""
    trigger = EventTrigger(
        posture=Posture.Proactive,
        after={HEARTBEAT},
        expect={"prefect.flow-run.*"},  # another heartbeat, or a state of any name
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={
            "prefect.resource.role": "tag",
            "prefect.resource.id": f"prefect.tag.{PREFIX}{owner}",
        },
        for_each={"prefect.resource.id"},
        threshold=1,
        within=silence,
    )
    message = f"not heard of for {silence.total_seconds() / 60:g} minutes: its worker may be dead"
    return Automation(
        name=f"{project}: runs of dead workers",
        description="Calls a run Crashed that sends no heartbeats any more. Made by prefect.yaml.",
        trigger=trigger,
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
    )


def save(automation: Automation) -> None:
    """Create the automation, or replace the one of its name."""
    with get_client(sync_client=True) as client:
        there = client.read_automations_by_name(automation.name)
    if not there:
        automation.create()
        return
    automation.id = there[0].id
    automation.enabled = there[0].enabled
    automation.update()
