"""`reprise check`: find every undeclared input."""

import argparse
from collections.abc import Collection

from reprise.commands.options import Subparsers, chosen_stages, targets_parser
from reprise.dvc import Repository


def add_parser(subparsers: Subparsers) -> None:
    """Add `check` to the command line."""
    help_ = "find every undeclared input; exit 1 if there is one"
    parser = subparsers.add_parser("check", parents=[targets_parser()], help=help_)
    parser.add_argument(
        "--fix", action="store_true", help="write the missing deps and params into dvc.yaml"
    )


def execute(args: argparse.Namespace) -> int:
    """Check the stages. Returns 1 when one failed, or has undeclared inputs that were not fixed."""
    from reprise.check.check import check, lines
    from reprise.check.fix import fix

    results = []
    for stage in chosen_stages(Repository(), args):
        if stage.has_command and stage.settings.sandbox:
            result = check(stage)
            print("\n".join(lines(result)), flush=True)
            results.append(result)
    failed = sum(result.error is not None for result in results)
    undeclared = sum(len(result.undeclared) for result in results)
    _print_untraced({result.untraced for result in results if result.untraced})
    print(f"{len(results)} stages checked: {undeclared} undeclared, {failed} failed")
    if args.fix:
        for file in fix({result.stage: result.undeclared for result in results}):
            print(f"{file}: fixed")
        undeclared = 0
    return 1 if failed or undeclared else 0


def _print_untraced(reasons: Collection[str]) -> None:
    """Say why commands were not traced, if some were not."""
    if reasons:
        listed = ", ".join(reasons)
        print(f"commands are not traced ({listed}): only what their errors name is found")
