"""Prefect's UI in headless Chromium, on finished runs of the `repro` flow.

Run by `make prefect-ui`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.utilities.callables import parameter_schema
from selenium import webdriver

from reprise.flows.repro import repro
from tests.reprise.chromium import chromium, needs_chromium, requests
from tests.reprise.corpus import Made
from tests.reprise.flows.prefect_server import api, flow, last_run, states, task_runs
from tests.reprise.random_dags import text
from tests.reprise.runner.repository import stage

__all__ = ["api"]  # a fixture
pytestmark = [pytest.mark.prefect_ui, needs_chromium]
DAG = {
    "fetch": stage("echo fetched; cat a.in > raw", ["a.in"], "raw"),
    "left": stage("echo went left; cat raw > left", ["raw"], "left"),
    "right": stage("echo went right; cat raw > right", ["raw"], "right"),
    "join": stage("echo joined; cat left right > join", ["left", "right"], "join"),
}
ABOVE = {"fetch": set(), "left": {"fetch"}, "right": {"fetch"}, "join": {"left", "right"}}
PARAMETERS: dict[str, Any] = {
    "targets": [],
    "path": ".",
    "jobs": os.cpu_count(),
    "force": False,
    "keep_going": False,
}
TAGS = ["command line", "master", "repo"]  # sorted, as the page does
LOOKS = 100  # at a page, half a second apart, until it shows what it should
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(
        tmp_path_factory.mktemp("profile"), NO_NETWORK, "--window-size=1400,1200"
    ) as made:
        yield made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return Made(
        tmp_path, {"files": {"a.in": "1\n", "dvc.yaml": text({"stages": DAG})}}, path
    ).create()


def see(browser: webdriver.Chrome, *expected: str, click: str | None = None) -> str:
    """Each of `expected`, lines that follow each other, somewhere on the page. Gives all its lines.

    click: a CSS selector, clicked until they come, since a click before the page's code listens is
    lost.
    """
    for _ in range(LOOKS):
        if click is not None:
            browser.execute_script("document.querySelector(arguments[0])?.click()", click)
        page: Any = browser.execute_script("return document.body.innerText")
        shown = "\n".join(line.strip() for line in page.splitlines() if line.strip())
        if all(f"\n{lines}\n" in f"\n{shown}\n" for lines in expected):
            return shown
        time.sleep(0.5)
    raise AssertionError(f"expected {expected}; found {shown}")


def look(
    browser: webdriver.Chrome, api: str, state: str, log: list[str], plan: str, folder: Path
) -> None:
    """At the pages of the last run; pictures of them stay in the folder."""
    assert states(api, len(DAG)) == dict.fromkeys(DAG, state)
    run, server = last_run(api), api.removesuffix("/api")
    assert PARAMETERS.items() <= run["parameters"].items()
    requests(browser)
    browser.get(f"{server}/runs/flow-run/{run['id']}")
    head = "\n".join([run["name"], *TAGS, state])
    see(browser, head, "4 Task runs", "Flow\nrepro", *log)
    see(browser, *DAG, click="#task-runs")
    browser.save_screenshot(str(folder / f"{state}.png"))
    see(browser, "TABLE\nrepo-plan", click="#artifacts")
    browser.save_screenshot(str(folder / f"{state}-artifacts.png"))
    see(browser, plan, "Artifact\nrepo-plan", click=".artifact-card")
    browser.save_screenshot(str(folder / f"{state}-plan.png"))
    asked = {url.split("?")[0] for url in requests(browser)}
    graph = f"{api}/flow_runs/{run['id']}/graph-v2"
    assert graph in asked  # drawn on a canvas, whose text is out of reach
    assert above(graph) == ABOVE
    assert [url for url in asked if not url.startswith((f"{server}/", "data:", "blob:"))] == []


def above(graph: str) -> dict[str, set[str]]:
    """By task run, those from which an arrow comes."""
    nodes = dict(httpx.get(graph, timeout=30).raise_for_status().json()["nodes"])
    return {
        node["label"]: {nodes[p["id"]]["label"] for p in node["parents"]} for node in nodes.values()
    }


def test_a_failed_stage_says_the_last_line_of_its_command(
    browser: webdriver.Chrome, api: str, made: Made, tmp_path: Path
) -> None:
    failing = stage("cat raw; echo no column x >&2; exit 3", ["raw"], "left")
    made.edit({"dvc.yaml": text({"stages": {**DAG, "left": failing}})})
    flow(made, 1, "-j1")
    run, server = last_run(api), api.removesuffix("/api")
    browser.get(f"{server}/runs/flow-run/{run['id']}")
    see(browser, "\n".join([run["name"], *TAGS, "Failed"]), "no column x")
    see(browser, "State Message\nleft: no column x", click="#details")
    browser.save_screenshot(str(tmp_path / "failed.png"))
    assert states(api, 2)["left"] == "Failed"
    (task,) = [run for run in task_runs(api) if run["name"] == "left"]
    browser.get(f"{server}/runs/task-run/{task['id']}")
    shown = see(browser, "left\nFailed", "Finished in state Failed('no column x')")
    assert "NoneType" not in shown  # of Prefect's own line before it
    browser.save_screenshot(str(tmp_path / "failed-stage.png"))


def test_a_run_that_was_interrupted_is_cancelled(
    browser: webdriver.Chrome, api: str, made: Made, tmp_path: Path
) -> None:
    waiting = stage("echo waiting; sleep 600", ["raw"], "left")
    made.edit({"dvc.yaml": text({"stages": {**DAG, "left": waiting}})})
    command = [sys.executable, "-m", "reprise.cli", "run", "--prefect"]
    site = {"DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    with subprocess.Popen(command, cwd=made.root, env={**os.environ, **site}) as process:
        log = made.root / ".dvc/tmp/reprise/logs/left.log"
        while not (log.exists() and "waiting" in log.read_text()):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 128 + signal.SIGINT
    run, server = last_run(api), api.removesuffix("/api")
    browser.get(f"{server}/runs/flow-run/{run['id']}")
    see(browser, "\n".join([run["name"], *TAGS, "Cancelled"]))
    see(browser, "State Message\nended by SIGINT", click="#details")
    browser.save_screenshot(str(tmp_path / "cancelled.png"))


def test_the_form_of_a_run_describes_its_parameters(
    browser: webdriver.Chrome, api: str, tmp_path: Path
) -> None:
    schema = parameter_schema(repro).model_dump_for_openapi()
    made = httpx.post(f"{api}/flows/", json={"name": "repro"}, timeout=30).raise_for_status()
    deployment = {
        "name": "form",
        "flow_id": made.json()["id"],
        "parameter_openapi_schema": schema,
    }
    answer = httpx.post(f"{api}/deployments/", json=deployment, timeout=30).raise_for_status()
    server = api.removesuffix("/api")
    browser.get(f"{server}/deployments/deployment/{answer.json()['id']}/run")
    descriptions = [property_["description"] for property_ in schema["properties"].values()]
    see(browser, *(text.replace("`", "") for text in descriptions))  # shown as Markdown
    browser.save_screenshot(str(tmp_path / "form.png"))


def test_the_pages_of_a_run_show_its_stages_states_logs_and_plan(
    browser: webdriver.Chrome, api: str, made: Made, tmp_path: Path
) -> None:
    flow(made)
    plan = "\n".join(f"{name}\nrun\n–\nnever ran" for name in DAG)
    look(
        browser, api, "Completed", ["fetched", "went left", "went right", "joined"], plan, tmp_path
    )
    flow(made)
    plan = "join\nunchanged\n0.0 s\nit is up to date"
    look(browser, api, "Unchanged", [], plan, tmp_path)
