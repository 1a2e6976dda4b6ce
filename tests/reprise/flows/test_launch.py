"""What `reprise run --prefect` changes of Prefect, and what it asks the server."""

import sys
from collections import Counter

import pytest
from prefect import flow_engine, results

from reprise.cli import REVIEW
from reprise.errors import PipelineError
from reprise.flows.launch import _check_server, _patched
from reprise.flows.repro import repro
from tests.reprise.flows.prefect_server import api, flow
from tests.reprise.runner.repository import Make, make, stage
from tests.reprise.stand_in import StandIn

__all__ = ["api", "make"]  # fixtures
pytestmark = pytest.mark.xdist_group("prefect")
PARTS = [
    (repro, "serialize_parameters"),
    (flow_engine, "_send_heartbeats"),
    (results, "_read_server_default_result_storage_block_id"),
]
# Prints the requests of its main thread: those of others are waited for by nobody.
TRACE = """
import httpx, threading
from reprise.cli import main
send = httpx.Client.send
def traced(client, request, **options):
    if threading.current_thread() is threading.main_thread():
        print("asked", request.method, request.url.path)
    return send(client, request, **options)
httpx.Client.send = traced
main(["run", "--prefect"])
"""
IMPORTED = """
import sys
from reprise.cli import main
try:
    main(["run", "--prefect"])
finally:
    print("imported", *sys.modules)
"""


def test_prefect_is_itself_again_after_a_run() -> None:
    usual = [getattr(owner, name) for owner, name in PARTS]
    with _patched(repro):
        replaced = [getattr(owner, name) for owner, name in PARTS]
    assert [getattr(owner, name) for owner, name in PARTS] == usual
    assert [one for one, other in zip(replaced, usual, strict=True) if one is other] == []
    assert replaced[1].keywords == {"join_on_exit": False}
    assert replaced[1].func is usual[1]


def test_what_is_no_server_is_one_line_without_its_login(stand_in: StandIn) -> None:
    """httpx would name the whole address, and a page of its manual on a second line."""
    address = stand_in.address.replace("://", "://user:t0ken@")
    expected = r"found no server at http://…@127.* \(Client error '404 Not Found' .*expected one"
    with pytest.raises(PipelineError, match=expected) as error:
        _check_server(f"{address}/api")
    assert "t0ken" not in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
def test_a_run_of_nothing_waits_for_few_answers(make: Make, api: str) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    flow(made)
    printed = made.run(sys.executable, "-c", TRACE)
    asked = Counter(line for line in printed.splitlines() if line.startswith("asked "))
    run = max(asked, key=len).removesuffix("/set_state").partition("/flow_runs/")[2]
    assert asked == {
        "asked GET /api/health": 1,
        "asked GET /api/admin/version": 1,
        "asked GET /api/csrf-token": 1,
        "asked GET /api/admin/storage": 1,
        "asked POST /api/flows/": 1,
        "asked POST /api/flow_runs/": 1,
        f"asked GET /api/flow_runs/{run}": 1,
        f"asked PATCH /api/flow_runs/{run}": 1,  # its name
        f"asked POST /api/flow_runs/{run}/set_state": 2,
        "asked POST /api/artifacts/": 1,
    }


@pytest.mark.slow
def test_a_run_of_nothing_imports_no_statistics(make: Make, api: str) -> None:
    made = make({"a": stage("cat a.in > a", ["a.in"], "a")})
    flow(made)
    printed = made.run(sys.executable, "-c", IMPORTED)
    imported = {*printed.splitlines()[-1].split()}
    assert {"imported", "prefect"} <= imported
    assert not {*REVIEW} & imported
