"""Loads, plans and runs the stages of the clone."""

from contextlib import chdir
from pathlib import Path

from reprise.dvc import Repository, Stage
from reprise.errors import PipelineError
from reprise.retrain.clone import Clone
from reprise.retrain.options import Echo, RetrainOptions
from reprise.retrain.shell import capture_command, run_command


def load_stages(root: Path) -> list[Stage]:
    """Load the stages of all pipelines in the folder, in plan order."""
    with chdir(root):
        return Repository().steps([], everything=True)


def has_work(clone: Clone) -> bool:
    """Tell by the plan whether a stage would run: an import of the same bytes is no work."""
    status, output = capture_command(clone, "reprise", "plan", "--exit-code", "-P")
    if status not in (0, 2):
        raise PipelineError(output.removeprefix("reprise: "))
    return status == 2


def run_stages(clone: Clone, options: RetrainOptions, echo: Echo) -> None:
    """Bring the stages up to date.

    Raises PipelineError with the last lines of the stages that failed.
    """
    jobs = ["-j", str(options.jobs)] if options.jobs else []
    run_command(clone, echo, "reprise", "run", "--pull", "-P", *jobs)
