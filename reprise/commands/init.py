"""`reprise init`: add to a DVC repository the CI of reports, and an example of meta.reprise."""

import argparse
import os
from pathlib import Path

from reprise.commands.options import Subparsers, directory_parser

EXAMPLES = {
    "reprise init": "in a DVC repository whose origin is at GitHub or GitLab",
    "reprise init --forge gitlab": "where it is on a server of your own",
}
EXIT_STATUS = {
    0: "everything is in place, or said to be skipped",
    1: "not a DVC repository, no git, or a file can't be written",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `init` to the command line."""
    help_ = "add the CI of reports, and an example of meta.reprise; what is there stays"
    parser = subparsers.add_parser("init", parents=[directory_parser()], help=help_)
    parser.add_argument(
        "--forge", choices=["github", "gitlab"], help="whose CI (default: by git's remote origin)"
    )


def execute(args: argparse.Namespace) -> int:
    """Write what is missing, and say what became of each file."""
    from reprise.dvc import Repository
    from reprise.init.files import add_files, describe_install

    with Repository() as repository:
        root = Path(repository.workspace.root)
    for change in add_files(root, args.forge):
        print(f"  {change.outcome.value:8}  {os.path.relpath(change.path)}  {change.remark}")
    print(f"\n{describe_install(root)}")
    return 0
