"""`reprise check`: find every undeclared input."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reprise.commands.options import Subparsers, chosen_stages, targets_parser

if TYPE_CHECKING:
    from reprise.dvc import Stage
    from reprise.sandbox.undeclared import Undeclared

EXAMPLES = {
    "reprise check": "all stages",
    "reprise check --fix train": "train and what it needs; write what is missing into dvc.yaml",
}
EXIT_STATUS = {
    0: "nothing is undeclared, or --fix declared it",
    1: "an input is undeclared, or a stage failed",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `check` to the command line."""
    help_ = "find every undeclared input; exit 1 if there is one"
    parser = subparsers.add_parser("check", parents=[targets_parser()], help=help_)
    parser.add_argument(
        "--fix", action="store_true", help="write the missing deps and params into dvc.yaml"
    )


def execute(args: argparse.Namespace) -> int:
    """Check the stages. Returns 1 when one failed, or has undeclared inputs that were not fixed."""
    from reprise.check.check import check
    from reprise.check.fix import fix
    from reprise.check.lent_outs import LentOuts
    from reprise.check.result import format_result
    from reprise.dvc import Repository

    undeclared: dict[Stage, Sequence[Undeclared]] = {}
    untraced: set[str] = set()  # reasons
    failed = 0
    with Repository() as repository, LentOuts() as lent:
        for stage in chosen_stages(repository, args):
            if not stage.has_command or not stage.settings.sandbox:
                continue
            result = check(stage, lent)
            print("\n".join(format_result(result)), flush=True)
            undeclared[stage] = result.undeclared
            if result.error is not None:
                failed += 1
            if result.untraced:
                untraced.add(result.untraced)
    if untraced:
        reasons = ", ".join(untraced)
        print(f"commands are not traced ({reasons}): only what their errors name is found")
    found = sum(map(len, undeclared.values()))
    print(f"{len(undeclared)} stages checked: {found} undeclared, {failed} failed")
    if args.fix:
        for file in fix(undeclared):
            print(f"{file}: fixed")
        found = 0
    if failed or found:
        return 1
    return 0
