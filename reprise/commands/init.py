"""`reprise init`: add to a DVC repository what reports on its pull requests need."""

import argparse
from pathlib import Path

from reprise.commands.options import Subparsers, directory_parser

EXAMPLES = {
    "reprise init": "in a DVC repository",
    "reprise init -C my-repository": "in another folder",
}
EXIT_STATUS = {
    0: "all is there",
    1: "this is no DVC repository with git, or a file can't be written",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `init` to the command line."""
    help_ = "add workflows, lines of .gitignore and an example; what is there stays"
    subparsers.add_parser("init", parents=[directory_parser()], help=help_)


def execute(args: argparse.Namespace) -> int:
    """Write what is missing, and say what became of each file."""
    from reprise.dvc import Repository
    from reprise.starter.files import add_files, requirement

    with Repository() as repository:
        root = Path(repository.workspace.root)
    is_written = False
    for change in add_files(root):
        print(f"  {change.word:8}  {change.path}  {change.meaning}")
        is_written = is_written or change.word == "written"
    if is_written and "@" not in requirement():
        print(
            f"\nCI installs {requirement()}, which no index has yet: set REPRISE in the files "
            "above to an address that pip can install it from."
        )
    return 0
