"""`reprise publish`: publish a model that another machine or job has retrained."""

import argparse
from pathlib import Path

from reprise.commands.options import Subparsers, add_publication, directory_parser
from reprise.retrain.choices import PublishMode

EXAMPLES = {
    "reprise publish handover": "as a pull request",
    "reprise publish handover --publish branch": "as a branch",
}
EXIT_STATUS = {
    0: "it is published",
    1: "the commit changes more than stages leave to git, or the forge refused it",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `publish` to the command line."""
    help_ = "publish what `reprise retrain --hand-over DIR` left, without running a stage"
    parser = subparsers.add_parser("publish", parents=[directory_parser()], help=help_)
    parser.add_argument("handover", metavar="DIR", help="of `reprise retrain --hand-over DIR`")
    add_publication(parser, [PublishMode.PULL_REQUEST, PublishMode.BRANCH])


def execute(args: argparse.Namespace) -> int:
    """Publish the commit, and propose it if that is asked for."""
    # DVC and HTTP: a third of a second to import
    from reprise.retrain.handover import publish_handover
    from reprise.retrain.options import RetrainOptions

    options = RetrainOptions(
        repository=args.repository,
        folder=Path(args.workplace).expanduser().resolve(),
        base=args.base,
        publish=PublishMode(args.publish),
    )
    publish_handover(options, Path(args.handover), lambda line: print(line, flush=True))
    return 0
