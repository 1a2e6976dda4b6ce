"""Run commands in the worker processes of Dask: of a cluster for this run, or of an existing one.

The workers of a run's own cluster preload this module, see `dask_setup`.
"""

import logging
import signal
from typing import TYPE_CHECKING, Any

from reprise.errors import PipelineError, missing_package
from reprise.flows.engine_option import EngineOption

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

OPTIONS = (
    EngineOption(
        "dask_address",
        help="of a Dask scheduler (default: one for this run)",
        metavar="ADDRESS",
    ),
)
CONNECT_TIMEOUT = 10  # seconds


def make_task_runner(jobs: int, dask_address: str | None) -> "TaskRunner[Any]":
    """Make a task runner for the scheduler at the address; None: for a cluster of `jobs` processes.

    Raises PipelineError when Dask is not installed, or no scheduler answers.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ModuleNotFoundError:
        raise missing_package("--runner dask", "prefect_dask", "dask") from None
    logging.getLogger("distributed").setLevel(logging.ERROR)  # it logs each connection
    if dask_address is not None:
        _check_scheduler(dask_address)
        return DaskTaskRunner(address=dask_address, client_kwargs={"timeout": CONNECT_TIMEOUT})
    cluster = {
        "n_workers": jobs,
        "threads_per_worker": 1,
        # Encrypted, by keys of its own: else whoever is on this machine could run commands.
        "security": True,
        "dashboard_address": "127.0.0.1:0",
        "memory_limit": 0,  # memory is the commands' affair
        "preload": __name__,
    }
    return DaskTaskRunner(cluster_kwargs=cluster)


def _check_scheduler(address: str) -> None:
    from distributed import Client

    try:
        Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False).close()
    except (OSError, ValueError) as e:
        raise PipelineError(
            f"--dask-address: found no Dask scheduler at {address} ({e}); expected one"
        ) from None


def dask_setup(_worker: Any) -> None:
    """Ignore Ctrl-C in a worker, as Dask's preload hook: the runner then ends the commands.

    By a handler, and not by SIG_IGN, which the commands would inherit.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
