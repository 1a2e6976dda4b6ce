"""`reprise verify`: run the stages again and compare their outs."""

import argparse
from typing import TYPE_CHECKING

from reprise.commands.options import chosen_stages, targets
from reprise.dvc import Repository

if TYPE_CHECKING:
    from reprise.commands.options import Subparsers


def add_parser(commands: "Subparsers") -> None:
    """Add `verify` to the command line."""
    commands.add_parser(
        "verify", parents=[targets()], help="run again aside; name the first out that differs"
    )


def execute(args: argparse.Namespace) -> int:
    """Verify stage by stage. Returns 1 at the first one that differs."""
    from reprise.check.verify import unverifiable, verify

    for stage in chosen_stages(Repository(), args):
        why = unverifiable(stage)
        if why:
            print(f"{stage.name}: not verified: {why}", flush=True)
            continue
        difference = verify(stage)
        print(f"{stage.name}: {difference or 'the same'}", flush=True)
        if difference:
            return 1
    return 0
