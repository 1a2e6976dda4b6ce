"""Run commands as child processes of the flow's own process, each watched by a thread."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

OPTIONS = ()


def make_task_runner(_jobs: int) -> "TaskRunner[Any]":
    """Make a task runner with as many threads as task runs: the runner keeps to its jobs."""
    from prefect.task_runners import ThreadPoolTaskRunner  # a second, and an extra

    return ThreadPoolTaskRunner()
