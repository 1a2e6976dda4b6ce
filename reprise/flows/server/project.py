"""Names the project on a Prefect server, which may have many: in deployments, pools and artifacts.

The name is prefect.yaml's, else pyproject.toml's, else the folder's.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reprise.errors import PipelineError

FILE = "prefect.yaml"


@dataclass(frozen=True)
class Deployments:
    """Holds what prefect.yaml declares. project: its `name`, which is that of the work pool too."""

    project: str
    names: list[str]


def read_deployments(file: Path) -> Deployments:
    """Read the names of prefect.yaml, and check that they are the project's own on any server.

    Raises PipelineError for a deployment that is not named after the project, or whose runs the
    project's workers would not take up.
    """
    try:
        document = YAML(typ="safe", pure=True).load(file)
        declared = document["deployments"]
        pools = {deployment["name"]: deployment["work_pool"]["name"] for deployment in declared}
    except (OSError, YAMLError, LookupError, TypeError) as e:
        raise PipelineError(
            f"{file}: found no deployments ({e}); expected a name and work_pool of each"
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
    return Deployments(project, list(pools))


def project_name(root: Path) -> str:
    """Return the name of the project in a folder, in small letters, digits and dashes."""
    for file, read in ((root / FILE, _name_in_yaml), (root / "pyproject.toml", _name_in_toml)):
        try:
            name = read(file)
        except (OSError, YAMLError, tomllib.TOMLDecodeError, UnicodeDecodeError):
            continue  # what is wrong with it is for others to say
        if isinstance(name, str) and slug(name):
            return slug(name)
    return slug(root.resolve().name) or "project"


def _name_in_yaml(file: Path) -> Any:
    document = YAML(typ="safe", pure=True).load(file)
    return document.get("name") if isinstance(document, dict) else None


def _name_in_toml(file: Path) -> Any:
    project = tomllib.loads(file.read_text(encoding="utf-8")).get("project")
    return project.get("name") if isinstance(project, dict) else None


def slug(name: str) -> str:
    """Write a name in small letters, digits and single dashes: all that a key may have."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
