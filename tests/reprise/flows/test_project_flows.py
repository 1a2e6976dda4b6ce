"""pipeline/flows.py: the flows that prefect.yaml deploys, as Prefect loads them."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from tests.conftest import ROOT, YAML_

pytestmark = pytest.mark.xdist_group("prefect")
FILE = ROOT / "pipeline" / "flows.py"
PARAMETERS = json.loads(Path(__file__).with_name("parameters.json").read_text())
DEPLOYMENTS = {d["name"]: d for d in YAML_.load(ROOT / "prefect.yaml")["deployments"]}


def with_hook() -> str:
    """The text of the file, its example of hooks no longer a comment."""
    text = FILE.read_text()
    code = r"from prefect|def| {4,}\S|on_failure|on_completion"
    return re.sub(rf"^( *)# (?=(?:{code}))", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["repro", "retrain"])
def test_an_entrypoint_has_the_flow_s_name_and_parameters(name: str) -> None:
    flow: Flow[..., Any] = load_flow_from_entrypoint(f"{FILE}:{name}")
    assert flow.name == name
    assert parameter_schema(flow).model_dump_for_openapi() == PARAMETERS[name]
    assert flow.on_failure_hooks == []
    assert flow.on_completion_hooks == []


@pytest.mark.parametrize("name", ["repro", "retrain"])
def test_the_run_form_describes_every_parameter_in_a_sentence(name: str) -> None:
    for parameter, schema in PARAMETERS[name]["properties"].items():
        assert re.fullmatch(r"[A-Z].{10,85}\.", schema.get("description", "")), parameter


@pytest.mark.parametrize(
    ("deployment", "name"), [("reprise-repro", "repro"), ("reprise-retrain", "retrain")]
)
def test_a_deployment_names_a_flow_and_parameters_that_are_there(
    deployment: str, name: str
) -> None:
    declared = DEPLOYMENTS[deployment]
    assert declared["entrypoint"] == f"pipeline/flows.py:{name}"
    flow: Flow[..., Any] = load_flow_from_entrypoint(str(ROOT / declared["entrypoint"]))
    flow.validate_parameters(declared["parameters"])


def test_nothing_goes_out_of_a_fresh_clone_by_itself() -> None:
    """The schedule waits for somebody to switch it on, and a run pushes nothing."""
    schedules = [s for d in DEPLOYMENTS.values() for s in d.get("schedules", [])]
    assert [schedule["active"] for schedule in schedules] == [False]
    assert DEPLOYMENTS["reprise-retrain"]["parameters"]["publish"] == "none"
    assert PARAMETERS["retrain"]["properties"]["publish"]["default"] == "none"


@pytest.mark.parametrize("name", ["repro", "retrain"])
def test_the_example_of_hooks_is_one(name: str, tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(with_hook())
    try:
        flow: Flow[..., Any] = load_flow_from_entrypoint(f"{tmp_path / 'flows.py'}:{name}")
    finally:
        for module_name, module in list(sys.modules.items()):  # else other tests run with it
            if getattr(module, "__file__", None) == str(tmp_path / "flows.py"):
                del sys.modules[module_name]
    assert [hook.__name__ for hook in flow.on_failure_hooks] == ["tell_failure"]
    expected = ["tell_promotion"] if name == "retrain" else []
    assert [hook.__name__ for hook in flow.on_completion_hooks] == expected
