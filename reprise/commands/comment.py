"""`reprise comment`: post a report to a pull request."""

import argparse
from pathlib import Path

from reprise.commands.options import Subparsers, directory_parser

EXAMPLES = {
    "reprise comment report.md --pull-request 12": "post it, or update the one that is there",
    "reprise report main --format md --out report.md": "makes the report",
}
EXIT_STATUS = {
    0: "the comment is posted",
    1: "the forge refused it",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `comment` to the command line."""
    help_ = "post a report to a pull request, or update the one that is there"
    parser = subparsers.add_parser("comment", parents=[directory_parser()], help=help_)
    parser.add_argument("file", metavar="FILE", help="of `reprise report --format md --out FILE`")
    parser.add_argument("--pull-request", type=int, required=True, metavar="N", help="its number")


def execute(args: argparse.Namespace) -> int:
    """Post the comment and print its address."""
    from reprise.forge.registry import make_forge
    from reprise.text.markdown import MARKER

    text = Path(args.file).read_text(encoding="utf-8")
    print(make_forge().comment(args.pull_request, text, MARKER))
    return 0
