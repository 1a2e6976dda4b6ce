"""`reprise verify`: run the stages again and compare their outs."""

import argparse
from collections.abc import Sequence

from reprise.commands.options import Subparsers, chosen_stages, targets_parser
from reprise.dvc import Repository, Stage


def add_parser(subparsers: Subparsers) -> None:
    """Add `verify` to the command line."""
    subparsers.add_parser(
        "verify",
        parents=[targets_parser()],
        help="run again aside; name the first out that differs",
    )


def execute(args: argparse.Namespace) -> int:
    """Verify stage by stage. Returns 1 at the first one that differs."""
    with Repository() as repository:
        return _verify(chosen_stages(repository, args))


def _verify(stages: Sequence[Stage]) -> int:
    from reprise.check.verify import unverifiable, verify

    for stage in stages:
        reason = unverifiable(stage)
        if reason:
            print(f"{stage.name}: not verified: {reason}", flush=True)
            continue
        difference = verify(stage)
        print(f"{stage.name}: {difference or 'the same'}", flush=True)
        if difference:
            return 1
    return 0
