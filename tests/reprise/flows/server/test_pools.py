"""docs/pools: deployments to Docker and Kubernetes, by Prefect's schemas; no engine runs them."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import prefect.server.api.collections_data.views as views
import pytest
from prefect.cli.deploy._models import PrefectYamlModel
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.schema_tools import validate
from prefect.utilities.templating import find_placeholders

from reprise.flows.server.project import read_deployments
from tests.conftest import ROOT, YAML_

pytestmark = pytest.mark.xdist_group("prefect")
FOLDER = ROOT / "docs" / "pools"
WORKERS = json.loads(
    (Path(views.__path__[0]) / "aggregate-worker-metadata.json").read_text(encoding="utf-8")
)
KINDS = ["docker", "kubernetes"]
# What prefect-docker 0.7.4 takes and returns: it is not installed here.
BUILD_INPUTS = {"id", "requires", "image_name", "dockerfile", "tag"}
BUILD_RESULTS = {"image_name", "tag", "image", "image_id", "additional_tags"}
PUSH_INPUTS = {"requires", "image_name", "tag"}
INSTRUCTIONS = {"FROM", "RUN", "ENV", "COPY", "USER", "WORKDIR"}


def declared(kind: str) -> dict[str, Any]:
    file: dict[str, Any] = YAML_.load(FOLDER / f"{kind}.yaml")
    return file


def variables_of(kind: str) -> dict[str, Any]:
    """The schema of what a deployment may say to a pool of the kind."""
    template = WORKERS[f"prefect-{kind}"][kind]["default_base_job_configuration"]
    schema: dict[str, Any] = template["variables"]
    return schema


@pytest.mark.parametrize("kind", KINDS)
def test_prefect_reads_the_file_whole(kind: str) -> None:
    file = declared(kind)
    model = PrefectYamlModel.model_validate(file)
    assert model.model_dump(exclude_unset=True, by_alias=True).keys() == file.keys()
    for mine, read in zip(file["deployments"], model.deployments, strict=True):
        assert mine.keys() == read.model_fields_set


@pytest.mark.parametrize("kind", KINDS)
def test_the_pool_takes_the_variables(kind: str) -> None:
    for deployment in declared(kind)["deployments"]:
        variables = deployment["work_pool"]["job_variables"]
        assert variables.keys() <= variables_of(kind)["properties"].keys()
        validate(variables, variables_of(kind), raise_on_error=True, ignore_required=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_deployments_are_those_of_prefect_yaml(kind: str) -> None:
    ours, theirs = (
        read_deployments(ROOT / "prefect.yaml"),
        read_deployments(FOLDER / f"{kind}.yaml"),
    )
    assert (theirs.project, theirs.names) == (ours.project, ours.names)
    assert theirs.entrypoints == ours.entrypoints
    for deployment in declared(kind)["deployments"]:
        flow: Any = load_flow_from_entrypoint(str(ROOT / deployment["entrypoint"]))
        flow.validate_parameters(deployment["parameters"])
        schedules = deployment.get("schedules", [])
        assert [schedule["active"] for schedule in schedules] == [False] * len(schedules)


@pytest.mark.parametrize("kind", KINDS)
def test_the_image_is_built_before_it_is_named(kind: str) -> None:
    file = declared(kind)
    names = [name.rpartition(".")[2] for step in file["build"] for name in step]
    assert names == ["check_owner", "end_lost_runs", "build_docker_image"]
    (build,), (push,) = file["build"][-1].values(), file["push"][-1].values()
    assert build.keys() == BUILD_INPUTS
    assert push.keys() == PUSH_INPUTS
    assert (ROOT / build["dockerfile"]).is_file()
    named = {
        place.name for place in find_placeholders(json.dumps([file["push"], file["deployments"]]))
    }
    results = {name.removeprefix("image.") for name in named if name.startswith("image.")}
    assert results == {"image_name", "tag", "image"} <= BUILD_RESULTS


def test_the_dockerfile_takes_what_is_there() -> None:
    text = re.sub(r"^#.*\n|\\\n", "", (FOLDER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert lines[0][0] == "FROM"
    assert {line[0] for line in lines} == INSTRUCTIONS
    copied = [source for line in lines if line[0] == "COPY" for source in line[1:-1]]
    assert copied == ["constraints.txt", "pyproject.toml", "README.md", "reprise"]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    (extras,) = re.findall(r"/opt/reprise\[([\w,]+)\]", text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.split(",")) == {"prefect", "train"} <= project["optional-dependencies"].keys()
    python = re.search(r"FROM python:([\d.]+)-", text)
    assert python is not None
    assert f">={python[1]}" == project["requires-python"]
