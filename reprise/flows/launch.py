"""`reprise run --prefect`: one flow run, against the server that is set, else a temporary one."""

import argparse
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from reprise.errors import PipelineError


def run_flow(args: argparse.Namespace) -> int:
    """The exit code. PipelineError when Prefect is not installed or its server does not answer."""
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")  # the same of Prefect's library
    os.environ.setdefault(
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120"
    )  # its first start makes a database
    with _collecting_nothing():
        try:
            import prefect.settings
        except ModuleNotFoundError:
            raise PipelineError(
                "--prefect: found no prefect; expected: pip install 'dvc-reprise[prefect]'"
            ) from None
        url = prefect.settings.PREFECT_API_URL.value()
        if url:
            _check_server(url)
        from reprise.flows.repro import repro
        from reprise.flows.task_runners import task_runner

    task_runner(
        args.runner, args.jobs, args.dask_address
    )  # what is wrong with it is no flow run's failure
    # What makes any value JSON imports FastAPI, a tenth of a no-op's time, and these are JSON already.
    repro.serialize_parameters = lambda parameters: parameters  # type: ignore[method-assign]
    with _naming_a_lost_server():
        state = repro(
            targets=args.targets,
            jobs=args.jobs,
            force=args.force,
            keep_going=args.keep_going,
            pull=args.pull,
            sandbox=not args.no_sandbox,
            downstream=args.downstream,
            single_item=args.single_item,
            all_pipelines=args.all_pipelines,
            runner=args.runner,
            dask_address=args.dask_address,
            return_state=True,
        )
        if not state.is_completed():
            state.result()  # raises what failed
    print(state.name)
    return 0


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Imports make no garbage, but looking for it takes a fifth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _naming_a_lost_server() -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.HTTPError as e:
        raise PipelineError(
            f"Prefect's server does not answer any more ({e}); dvc.lock has what ran"
        ) from None


def _check_server(url: str) -> None:
    import httpx

    try:
        tls = not url.startswith("http:")  # which would read certificates in vain
        httpx.get(f"{url}/health", timeout=10, verify=tls).raise_for_status()
    except httpx.HTTPError as e:
        raise PipelineError(
            f"PREFECT_API_URL: found no server at {url} ({e}); expected one, or no URL"
        ) from None
