"""Run `reprise run --prefect`: one flow run, against the server that is set or a temporary one."""

import argparse
import gc
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.errors import PipelineError, missing_package
from reprise.flows.engines import engine_options, make_task_runner
from reprise.flows.server.secret import closed
from reprise.git import redacted
from reprise.runner.options import OnError

if TYPE_CHECKING:
    from prefect import Flow

ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",  # the same for Prefect's library
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # its first start makes a database
}
NO_PAGE = "https://127.0.0.1:0"  # an origin that no page has
LOOPBACK = "127.0.0.1"
LOOPBACK_TIMEOUT = 5.0  # seconds


def run_flow(args: argparse.Namespace) -> int:
    """Run the flow `repro` with the options of `reprise run`. Returns the exit status.

    Raises PipelineError when Prefect is not installed or its server does not answer.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with _no_garbage_collection():
        is_set = _check_prefect()
        from prefect import tags

        from reprise.flows.names import Trigger, run_tags
        from reprise.flows.repro import repro

    settings = {}
    for option in engine_options():
        settings[option.name] = getattr(args, option.name)
    # An engine that can't run is no failure of a flow run: it is found before.
    make_task_runner(args.runner, args.jobs, settings)
    named = tags(*run_tags(Path(), Trigger.COMMAND_LINE))
    server = nullcontext() if is_set else _closed_server()
    with _lost_server_named(), server, named, _patched(repro):
        state = repro(
            targets=args.targets,
            jobs=args.jobs,
            force=args.force,
            keep_going=args.on_error is OnError.KEEP_GOING,
            ignore_errors=args.on_error is OnError.IGNORE,
            force_downstream=args.force_downstream,
            allow_missing=args.allow_missing,
            pull=args.pull,
            commit=not args.no_commit,
            run_cache=not args.no_run_cache,
            sandbox=not args.no_sandbox,
            downstream=args.downstream,
            single_item=args.single_item,
            pipeline=args.pipeline,
            all_pipelines=args.all_pipelines,
            recursive=args.recursive,
            glob=args.glob,
            runner=args.runner,
            **settings,
            return_state=True,
        )
        if not state.is_completed():
            state.result()  # raises the error
    print(state.name)
    return 0


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect no garbage: imports make none, but looking for it takes a fifth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _patched(flow: "Flow[..., Any]") -> Iterator[None]:
    """Keep Prefect from what a run on the command line need not wait for.

    - Its way to make any value JSON imports FastAPI, a tenth of a no-op's time. The parameters are
      JSON already.
    - It waits for its heartbeat's thread, which sleeps for up to a second, and then ends by itself:
      0.55 to 0.98 s.
    - It asks the server three times where results go, by a client of its own each time.
    """
    from prefect import flow_engine, results

    storage = "_read_server_default_result_storage_block_id"
    heartbeats = "_send_heartbeats"
    patches = [
        (flow, "serialize_parameters", lambda parameters: parameters),
        (flow_engine, heartbeats, partial(getattr(flow_engine, heartbeats), join_on_exit=False)),
        (results, storage, cache(getattr(results, storage))),
    ]
    usual = []
    for owner, name, _ in patches:
        usual.append((owner, name, getattr(owner, name)))
    for owner, name, replacement in patches:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for owner, name, former in usual:
            setattr(owner, name, former)


@contextmanager
def _lost_server_named() -> Iterator[None]:
    """Make one line of the error when the server does not answer."""
    import httpx

    try:
        yield
    except httpx.HTTPError as e:
        raise PipelineError(
            f"Prefect's server does not answer any more ({_describe(e)}); dvc.lock has what ran"
        ) from None


@contextmanager
def _closed_server() -> Iterator[None]:
    """Have the temporary server ask for a secret, which this process and its own have."""
    import prefect.settings

    own = closed(secrets.token_urlsafe(), NO_PAGE)
    # The server is started with the settings of this process before its environment.
    settings = {getattr(prefect.settings, name): value for name, value in own.items()}
    before = dict(os.environ)
    os.environ.update(own)
    try:
        with prefect.settings.temporary_settings(settings):
            yield
    finally:
        for name in own:
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]


def _check_prefect() -> bool:
    """Tell whether a server is set, which answers; else one can be started.

    Raises PipelineError without Prefect, or where its server can't be reached.
    """
    try:
        import prefect.settings
    except ModuleNotFoundError:
        raise missing_package("--prefect", "prefect", "prefect") from None
    url = prefect.settings.PREFECT_API_URL.value()
    if url:
        _check_server(url)
        return True
    _check_loopback()
    return False


def _check_server(url: str) -> None:
    import httpx

    is_tls = not url.startswith(
        "http:"
    )  # only then are certificates needed, which are slow to read
    try:
        httpx.get(f"{url}/health", timeout=10, verify=is_tls).raise_for_status()
    except httpx.HTTPError as e:
        raise PipelineError(
            f"PREFECT_API_URL: found no server at {redacted(url)} ({_describe(e)}); expected one,"
            " or no URL"
        ) from None


def _describe(error: Exception) -> str:
    """Return the first line of an error of httpx, whose second one has a link to its manual."""
    return redacted(str(error).partition("\n")[0])


def _check_loopback() -> None:
    """Raise PipelineError if nothing on this machine could reach the temporary server.

    Prefect itself would try for two minutes, and then show its traceback.
    """
    try:
        with socket.create_server((LOOPBACK, 0)) as server:
            socket.create_connection(server.getsockname(), LOOPBACK_TIMEOUT).close()
    except OSError as e:
        raise PipelineError(
            f"--prefect: found that nothing can connect to {LOOPBACK} ({e.strerror or e});"
            " expected a loopback network, for Prefect's temporary server;"
            " bring it up (`ip link set lo up`), or set PREFECT_API_URL"
        ) from None
