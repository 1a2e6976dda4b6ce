"""Makes the files of CI, and the lines of `.gitignore` and dvc.yaml; what is there stays."""

import json
import os
import shlex
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reprise.errors import PipelineError
from reprise.forge.git_credentials import split_login
from reprise.git import git

DISTRIBUTION = "dvc-reprise"
IGNORED = ("/.prefect/", "/report.html", "/report.md")
GITLAB_INCLUDE = "include:\n- local: {}\n"


class Change(NamedTuple):
    """Says what became of a file. path: relative to the root of the DVC repository."""

    word: str
    path: str
    meaning: str


def add_files(root: Path) -> Iterator[Change]:
    """Write what is missing, and yield each change once it is made; nothing is overwritten.

    root: of the DVC repository. Workflows go to the top of its git repository, for the forge that
    origin is at: GitHub's where its host does not say gitlab. Raises PipelineError without git.
    """
    top = Path(git("rev-parse", "--show-toplevel", folder=root))
    variables = _variables(root, top)
    if "gitlab" in _host_of_origin(top):
        yield from _add_gitlab(root, top, variables)
    else:
        for name, meaning in (
            ("report", "the report of each pull request"),
            ("comment", "posts it as a comment"),
        ):
            path = top / ".github" / "workflows" / f"reprise-{name}.yml"
            text = _render(f"github-{name}.yml.j2", variables)
            yield _write(root, path, text, meaning)
    yield _append(root, root / ".gitignore", _ignored_lines, "what reprise leaves beside the code")
    if (root / "dvc.yaml").exists():
        yield _append(root, root / "dvc.yaml", _example, "an example of meta.reprise, in comments")


def requirement() -> str:
    """Return what pip installs this reprise by: an address in version control, or its version."""
    installed = distribution(DISTRIBUTION)
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if "vcs_info" not in origin:
        return f"{DISTRIBUTION}=={installed.version}"
    vcs = origin["vcs_info"]
    address, _ = split_login(origin["url"])
    return f"{DISTRIBUTION} @ {vcs['vcs']}+{address}@{vcs['commit_id']}"


def _variables(root: Path, top: Path) -> dict[str, str]:
    """Return what the templates hold, as YAML or as words of a shell's command."""
    subfolder = "" if root == top else root.relative_to(top).as_posix()
    requirements = ""
    if (root / "requirements.txt").exists():
        requirements = " -r requirements.txt"
    elif (root / "pyproject.toml").exists() or (root / "setup.py").exists():
        requirements = " ."
    return {
        "subfolder": json.dumps(subfolder) if subfolder else "",
        "enter": json.dumps(f"cd {shlex.quote(subfolder)}"),
        "requirements": requirements,
        "reprise": json.dumps(requirement()),
    }


def _host_of_origin(top: Path) -> str:
    try:
        address = git("remote", "get-url", "origin", folder=top)
    except PipelineError:
        return ""
    return address.partition("://")[2].partition("/")[0] or address.partition(":")[0]


def _add_gitlab(root: Path, top: Path, variables: dict[str, str]) -> Iterator[Change]:
    path = top / ".gitlab" / "reprise.yml"
    text = _render("gitlab.yml.j2", variables)
    yield _write(root, path, text, "the report of each merge request, and its comment")
    include = GITLAB_INCLUDE.format("/.gitlab/reprise.yml")
    change = _write(root, top / ".gitlab-ci.yml", include, "includes it")
    if change.word == "kept" and ".gitlab/reprise.yml" not in (top / change.path).read_text():
        change = change._replace(meaning=f"add to it: {' '.join(include.split())}")
    yield change


def _render(name: str, variables: dict[str, str]) -> str:
    # Their own signs, as ${{ }} is GitHub's.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        keep_trailing_newline=True,
    )
    return environment.get_template(name).render(variables)


def _write(root: Path, path: Path, text: str, meaning: str) -> Change:
    """Write a file unless there is one, or anything else of that name."""
    name = os.path.relpath(path, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        return Change("kept", name, "it was there")
    return Change("written", name, meaning)


def _append(root: Path, path: Path, missing: Callable[[str], str], meaning: str) -> Change:
    """Append lines to a file, in its own line ends. missing: returns those that a text lacks."""
    name = os.path.relpath(path, root)
    text = path.read_bytes().decode() if path.exists() else ""
    lines = missing(text)
    if not lines:
        return Change("kept", name, "nothing is missing")
    if text and not text.endswith("\n"):
        lines = f"\n{lines}"
    if "\r\n" in text:
        lines = lines.replace("\n", "\r\n")
    with path.open("ab") as file:
        file.write(lines.encode())
    return Change("extended" if text else "written", name, meaning)


def _ignored_lines(text: str) -> str:
    known = text.splitlines()
    return "".join(f"{line}\n" for line in IGNORED if line not in known)


def _example(text: str) -> str:
    return "" if "reprise:" in text else _render("meta.yaml.j2", {})
