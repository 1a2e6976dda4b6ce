"""Where a flow's commands run: in threads' children of its own process, or in the worker processes of Dask."""

import logging
from typing import Any, Literal

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from reprise.errors import PipelineError

Kind = Literal["threads", "dask"]
CONNECT = 10  # seconds


def task_runner(kind: Kind, workers: int, address: str | None) -> TaskRunner[Any]:
    """`workers`: processes of a temporary cluster on this machine; `address`: of a Dask scheduler to use in its place.

    PipelineError when Dask is not installed, or no scheduler answers.
    """
    if kind == "threads":
        if address is not None:
            raise PipelineError(
                f"--dask-address: found {address} with --runner threads; expected --runner dask"
            )
        return ThreadPoolTaskRunner()
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ModuleNotFoundError:
        raise PipelineError(
            "--runner dask: found no prefect_dask; expected: pip install 'dvc-reprise[dask]'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.ERROR)  # it tells of each connection
    if address is not None:
        _check(address)
        return DaskTaskRunner(address=address, client_kwargs={"timeout": CONNECT})
    # Encrypted, by keys of its own: else whoever is on this machine could run commands. Memory is the commands' affair.
    local = {
        "n_workers": workers,
        "threads_per_worker": 1,
        "security": True,
        "dashboard_address": "127.0.0.1:0",
    }
    return DaskTaskRunner(
        cluster_kwargs={**local, "memory_limit": 0, "preload": "reprise.flows.dask_worker"}
    )


def _check(address: str) -> None:
    from distributed import Client

    try:
        Client(address, timeout=CONNECT, set_as_default=False).close()
    except (OSError, ValueError) as e:
        raise PipelineError(
            f"--dask-address: found no Dask scheduler at {address} ({e}); expected one"
        ) from None
