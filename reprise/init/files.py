"""Makes the files of CI, and lines of `.gitignore` and dvc.yaml."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reprise.forge.github import GITHUB
from reprise.forge.gitlab import GITLAB
from reprise.forge.registry import GIT_ADDRESS, find_provider
from reprise.git import git
from reprise.init.changes import Change, Outcome, add_file, add_lines, read_yaml
from reprise.init.source import find_requirements, find_source
from reprise.text.markdown import MARKER

FORGES = {"github": GITHUB, "gitlab": GITLAB}
PREFECT = "/.prefect/"
SETTINGS = re.compile(r"\breprise['\"]?\s*:")
UNSAFE = re.compile(r"[^a-z0-9]+")


def add_files(root: Path, forge: str | None) -> Iterator[Change]:
    """Write what is missing, and yield each change once it is made; nothing is overwritten.

    root: of the DVC repository; forge: whose files of CI are written, None for that of git's
    remote origin. They go to the top of the git repository. Raises PipelineError without git.
    """
    root = root.resolve()
    top = Path(git("rev-parse", "--show-toplevel", folder=root)).resolve()
    forge = forge or find_forge(top)
    if forge == "github":
        yield from _add_github(root, top)
    elif forge == "gitlab":
        yield from _add_gitlab(root, top)
    else:
        names = " or ".join(f"--forge {name}" for name in FORGES)
        remark = f"no files of CI: origin is at no forge that is known; {names} says which"
        yield Change(Outcome.SKIPPED, top, remark)
    yield add_lines(root / ".gitignore", _ignored_lines, "what Prefect keeps in the repository")
    if (root / "dvc.yaml").exists():
        yield add_lines(root / "dvc.yaml", _example, "an example of meta.reprise, in comments")
    else:
        yield Change(Outcome.SKIPPED, root / "dvc.yaml", "no example: there is no such file")


def find_forge(top: Path) -> str | None:
    """Name the forge that origin is at; None where no forge is known there."""
    address = git("config", "--get", "--default", "", "remote.origin.url", folder=top)
    parts = GIT_ADDRESS.match(address)
    if parts is None:
        return None
    provider = find_provider(parts["host"].lower(), {})
    return next((name for name, known in FORGES.items() if known is provider), None)


def describe_install(root: Path) -> str:
    """Say what the files of CI install, and what is to be set in them."""
    requirements = find_requirements(root)
    text = f"CI installs reprise, and what `pip install {requirements}` takes."
    if not requirements:
        text = (
            "CI installs reprise alone: found no requirements.txt, setup.py or pyproject.toml with "
            "a project; add what the stages import, if a report has to run them."
        )
    if find_source() is None:
        text += (
            "\nSet REPRISE in the files of CI: nobody can tell what pip installs this reprise by, "
            "since it came from no address of HTTPS."
        )
    return text


def _add_github(root: Path, top: Path) -> Iterator[Change]:
    variables = _variables(root, top)
    for name, purpose in (
        ("report", "makes the report of each pull request"),
        ("comment", "posts it, once it is on the default branch"),
    ):
        path = top / ".github" / "workflows" / f"reprise-{name}{_suffix(root, top)}.yml"
        yield add_file(path, _render(f"github-{name}.yml.j2", variables), purpose)


def _add_gitlab(root: Path, top: Path) -> Iterator[Change]:
    ci = top / ".gitlab-ci.yml"
    text = ci.read_text(encoding="utf-8") if ci.exists() else ""
    variables = {**_variables(root, top), "stage": json.dumps(_last_stage(text))}
    included = f"/.gitlab/reprise{_suffix(root, top)}.yml"
    purpose = "makes the report of each merge request, and posts it"
    yield add_file(top / included.strip("/"), _render("gitlab.yml.j2", variables), purpose)
    if included in text:
        yield Change(Outcome.KEPT, ci, "includes it")
    elif text:
        yield Change(Outcome.KEPT, ci, f"add to its `include`: [{{local: {included}}}]")
    else:
        yield add_file(ci, f"include:\n- local: {included}\n", "includes it")


def _last_stage(text: str) -> str:
    """Name a stage that the pipeline has: GitLab refuses all of it for one that it has not."""
    document = read_yaml(text)
    stages = document.get("stages") if isinstance(document, dict) else None
    return str(stages[-1]) if stages else "test"


def _variables(root: Path, top: Path) -> dict[str, str]:
    """Return what the templates hold: YAML, or words of a shell's command."""
    subfolder = "" if root == top else root.relative_to(top).as_posix()
    marker = MARKER if root == top else MARKER.replace("report", f"report{_suffix(root, top)}")
    requirements = find_requirements(root)
    return {
        "suffix": _suffix(root, top),
        "subfolder": _yaml(subfolder) if subfolder else "",
        "enter": _yaml(f"cd {shlex.quote(subfolder)}"),
        "requirements": f" {requirements}" if requirements else "",
        "reprise": _yaml(find_source() or ""),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "marker": _yaml(marker),
    }


def _suffix(root: Path, top: Path) -> str:
    """Return what tells apart the files of several DVC repositories in one git repository."""
    if root == top:
        return ""
    return f"-{UNSAFE.sub('-', root.relative_to(top).as_posix().lower()).strip('-')}"


def _yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _render(name: str, variables: dict[str, str]) -> str:
    # Their own signs, as ${{ }} is GitHub's.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        keep_trailing_newline=True,
    )
    return environment.get_template(name).render(variables)


def _ignored_lines(text: str) -> str:
    known = {line.strip().strip("/") for line in text.splitlines()}
    return "" if PREFECT.strip("/") in known else f"{PREFECT}\n"


def _example(text: str) -> str:
    return "" if SETTINGS.search(text) else _render("meta.yaml.j2", {})
