"""Brings the clone's data up to date."""

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from reprise.errors import PipelineError
from reprise.git import check_address, redacted
from reprise.retrain.checkout import Checkout
from reprise.retrain.clone import Clone
from reprise.retrain.options import Echo
from reprise.retrain.shell import capture_command, run_command

NO_DEFAULT = 1  # exit status of `dvc remote default`


def bring_data(clone: Clone, echo: Echo) -> None:
    """Pull the base's data, and update what it imports.

    Raises PipelineError when DVC is not at the root, has no default remote, or fails.
    """
    if not (clone.root / ".dvc" / "config").is_file():
        raise PipelineError(
            f"{redacted(clone.address)}: found no .dvc/config on {clone.base}; expected DVC at the"
            " root"
        )
    check_remote(clone)
    imports = [*find_imports(clone.root)]  # first: pull may clone what they are imported from
    run_command(clone, echo, "dvc", "pull", "--allow-missing")
    if imports:
        run_command(clone, echo, "dvc", "update", "--", *imports)


def check_remote(checkout: Checkout) -> None:
    """Raise PipelineError when DVC has no default remote there."""
    status, output = capture_command(checkout, "dvc", "remote", "default")
    if status == NO_DEFAULT:
        raise PipelineError(
            f"{redacted(checkout.address)}: found no default DVC remote; expected one to pull from"
            " and push to"
        )
    if status != 0:
        raise PipelineError(f"dvc remote default: failed: {output}")


def find_imports(root: Path) -> Iterator[str]:
    """Find the .dvc files of `dvc import`, `import-url` and `import-db`: those with deps.

    Raises PipelineError for an import from a repository whose address git may not be given.
    """
    for file in sorted(filter(Path.is_file, root.rglob("*.dvc"))):
        path = file.relative_to(root)
        if ".dvc" in path.parts:
            continue
        deps = YAML(typ="safe", pure=True).load(file).get("deps")
        for dep in deps or []:
            check_address(dep.get("repo", {}).get("url", ""))
        if deps:
            yield str(path)
