"""Names the project on a Prefect server, which may have many: in deployments, pools and artifacts.

The name is prefect.yaml's, else pyproject.toml's, else the origin's last part, else the folder's.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reprise.errors import PipelineError
from reprise.flows.server.owner import find_place, origin_of, without_login

FILE = "prefect.yaml"
NOTE = "reprise: "  # what the lines begin with that our steps print
OWNER = "deployed-from:{{ owner.address }}"  # what the step `check_owner` returns


@dataclass(frozen=True)
class Deployments:
    """Holds what prefect.yaml declares. project: its `name`, which is that of the work pool too.

    entrypoints: of the flows. places: the folder or address of each deployment whose `pull` says
    where its runs work.
    """

    project: str
    names: list[str]
    entrypoints: set[str]
    places: dict[str, str]


def read_deployments(file: Path) -> Deployments:
    """Read the names of prefect.yaml, and check that they are the project's own on any server.

    Raises PipelineError for a deployment that is not named after the project, or whose runs the
    project's workers would not take up.
    """
    try:
        document = YAML(typ="safe", pure=True).load(file)
        declared = document["deployments"]
        pools = {deployment["name"]: deployment["work_pool"]["name"] for deployment in declared}
        entrypoints = {deployment["entrypoint"] for deployment in declared}
        tags = {deployment["name"]: deployment.get("tags") or [] for deployment in declared}
    except (OSError, YAMLError, LookupError, TypeError) as e:
        raise PipelineError(
            f"{file}: found no deployments ({e}); expected name, entrypoint and work_pool of each"
        ) from None
    project = document.get("name")
    if not isinstance(project, str) or slug(project) != project:
        raise PipelineError(
            f"{file}: name: found {project!r}; expected the project's name in small letters,"
            " digits and dashes"
        )
    for name, pool in pools.items():
        if not str(name).startswith(f"{project}-"):
            raise PipelineError(
                f"{file}: found the deployment {name!r}; expected {project}-{name}, as a server"
                " has those of other projects too"
            )
        if pool != project:
            raise PipelineError(
                f"{file}: {name}: work_pool: found {pool!r}; expected {project!r}, whose workers"
                " run this project"
            )
        if OWNER not in tags[name]:
            raise PipelineError(
                f"{file}: {name}: tags: found {tags[name]}; expected {OWNER!r} among them, which"
                " says whose deployment it is"
            )
    return Deployments(project, list(pools), entrypoints, _find_places(document))


def _find_places(document: dict[str, Any]) -> dict[str, str]:
    """Find where the deployments' runs work, by name, as far as `pull` says it."""
    places: dict[str, str] = {}
    for deployment in document["deployments"]:
        steps = deployment.get("pull", document.get("pull")) or []
        if isinstance(steps, dict):
            steps = [steps]
        place = find_place(steps)
        if place is not None:
            places[deployment["name"]] = place
    return places


def project_name(root: Path, origin: str | None = None) -> str:
    """Return the name of the project in a folder, in small letters, digits and dashes.

    origin: where the folder is cloned from; None to ask git.
    """
    for file, read in ((root / FILE, _name_in_yaml), (root / "pyproject.toml", _name_in_toml)):
        try:
            name = read(file)
        except (OSError, YAMLError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            continue  # what is wrong with it is for others to say
        if isinstance(name, str) and slug(name):
            return slug(name)
    origin = origin or origin_of(root)
    if origin is not None and slug(_last_part(origin)):
        return slug(_last_part(origin))
    return slug(root.resolve().name.removesuffix(".git")) or "project"


def _last_part(origin: str) -> str:
    """Return the name of a repository, such as `digits` of `git@github.com:team/digits.git`."""
    path = without_login(origin).rstrip("/")
    return Path(path).name.rpartition(":")[2].removesuffix(".git")


def _name_in_yaml(file: Path) -> Any:
    document = YAML(typ="safe", pure=True).load(file)
    if isinstance(document, dict):
        return document.get("name")
    return None


def _name_in_toml(file: Path) -> Any:
    project = tomllib.loads(file.read_text(encoding="utf-8")).get("project")
    if isinstance(project, dict):
        return project.get("name")
    return None


def slug(name: str) -> str:
    """Write a name in small letters, digits and single dashes: all that a key may have."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
