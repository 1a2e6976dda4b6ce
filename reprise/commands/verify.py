"""`reprise verify`: run the stages again and compare their outs."""

import argparse

from reprise.commands.options import Subparsers, chosen_stages, targets_parser

EXAMPLES = {
    "reprise verify": "all stages",
    "reprise verify -s train": "train alone",
}
EXIT_STATUS = {
    0: "all outs came out the same",
    1: "an out differs, or a stage failed",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `verify` to the command line."""
    subparsers.add_parser(
        "verify",
        parents=[targets_parser()],
        help="run again aside; name the first out that differs",
    )


def execute(args: argparse.Namespace) -> int:
    """Verify stage by stage. Returns 1 at the first one that differs."""
    from reprise.check.verify import unverifiable, verify
    from reprise.dvc import Repository, dvc_boundary

    with Repository() as repository:
        for stage in chosen_stages(repository, args):
            reason = unverifiable(stage)
            if reason:
                print(f"{stage.name}: not verified: {reason}", flush=True)
                continue
            with dvc_boundary(f"stage '{stage.name}'"):
                difference = verify(stage)
            if difference:
                print(f"{stage.name}: {difference}", flush=True)
                return 1
            print(f"{stage.name}: the same", flush=True)
    return 0
