"""`reprise publish`: publish a model that another machine or job has retrained."""

import argparse
from pathlib import Path

from reprise.commands.options import Subparsers, add_publication
from reprise.retrain.choices import PublishMode


def add_parser(subparsers: Subparsers) -> None:
    """Add `publish` to the command line."""
    help_ = "publish what `reprise retrain --hand-over DIR` left, without running a stage"
    parser = subparsers.add_parser("publish", help=help_)
    parser.add_argument("handover", metavar="DIR", help="of `reprise retrain --hand-over DIR`")
    add_publication(parser, [PublishMode.PULL_REQUEST, PublishMode.BRANCH])


def execute(args: argparse.Namespace) -> int:
    """Publish the commit, and propose it if that is asked for."""
    # statistics, DuckDB and HTTP: a second to import
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
