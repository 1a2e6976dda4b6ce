"""Name flow runs by project, branch and what started them, as a list of many runs is read."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

from reprise.described import DescribedEnum
from reprise.errors import PipelineError
from reprise.flows.server.project import project_name
from reprise.git import git


class Trigger(DescribedEnum):
    """Names what started a flow run."""

    SCHEDULE = "schedule", "the schedule of its deployment"
    AUTOMATION = "automation", "an automation of Prefect"
    BY_HAND = "by hand", "somebody, on Prefect's page or by `prefect deployment run`"
    COMMAND_LINE = "command line", "`reprise run --prefect`"
    RETRAINING = "retraining", "the flow `retrain`"
    PYTHON = "Python", "a script, or another flow"


def name_repro() -> str:
    """Name the run of `repro` that begins."""
    flow_run, parameters = _current()
    root = find_root(Path(parameters.get("path", ".")))
    return run_name(project_name(root), find_revision(root), find_trigger(flow_run))


def name_retrain() -> str:
    """Name the run of `retrain` that begins."""
    flow_run, parameters = _current()
    project = _project_of(parameters.get("repository", "."))
    return run_name(project, parameters.get("base", "main"), find_trigger(flow_run))


def _current() -> tuple[FlowRun, dict[str, Any]]:
    """Return the flow run that begins, and the parameters that it was given."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    assert context.parameters is not None
    return context.flow_run, context.parameters


def run_name(project: str, revision: str | None, trigger: Trigger) -> str:
    """Name a flow run. revision: None where there is no git."""
    if revision is None:
        return f"{project} ({trigger})"
    return f"{project} {revision} ({trigger})"


def run_tags(folder: Path, trigger: Trigger) -> list[str]:
    """List the tags of a flow run that no deployment has: project, branch and trigger."""
    root = find_root(folder)
    tags = []
    for tag in (project_name(root), find_revision(root), trigger):
        if tag is not None:
            tags.append(tag)
    return tags


def _project_of(repository: str) -> str:
    """Name the project of a folder, or of an address whose clone may not be there yet."""
    if Path(repository).is_dir():
        return project_name(Path(repository))
    return project_name(Path(), repository)


def find_root(folder: Path) -> Path:
    """Return the folder of the DVC repository that a folder is in; without one, that folder."""
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        if (parent / ".dvc").is_dir():
            return parent
    return folder


def find_revision(root: Path) -> str | None:
    """Return the branch that is checked out, or the short hash of a commit; None without git."""
    for command in (("symbolic-ref", "--short", "HEAD"), ("rev-parse", "--short", "HEAD")):
        with suppress(PipelineError, OSError):  # no branch, no git
            return git(*command, folder=root)
    return None


def find_trigger(flow_run: FlowRun) -> Trigger:
    """Tell what started a flow run."""
    for trigger in (Trigger.RETRAINING, Trigger.COMMAND_LINE):
        if trigger in flow_run.tags:
            return trigger
    if flow_run.deployment_id is None:
        return Trigger.PYTHON
    if flow_run.auto_scheduled:
        return Trigger.SCHEDULE
    if flow_run.created_by is not None and flow_run.created_by.type == "AUTOMATION":
        return Trigger.AUTOMATION
    return Trigger.BY_HAND
