"""`reprise check`: find every undeclared input."""

import argparse
from typing import TYPE_CHECKING

from reprise.commands.options import chosen_stages, targets
from reprise.dvc import Repository

if TYPE_CHECKING:
    from reprise.commands.options import Subparsers


def add_parser(commands: "Subparsers") -> None:
    """Add `check` to the command line."""
    help_ = "find every undeclared input; exit 1 if there is one"
    parser = commands.add_parser("check", parents=[targets()], help=help_)
    parser.add_argument(
        "--fix", action="store_true", help="write the missing deps and params into dvc.yaml"
    )


def execute(args: argparse.Namespace) -> int:
    """Check the stages. Returns 1 when one failed, or has undeclared inputs that were not fixed."""
    from reprise.check.check import check
    from reprise.check.fix import fix
    from reprise.check.result import format_result

    results = []
    for stage in chosen_stages(Repository(), args):
        if stage.has_command and stage.settings.sandbox:
            results.append(check(stage))
            print("\n".join(format_result(results[-1])), flush=True)
    untraced = {result.untraced for result in results if result.untraced}
    if untraced:
        print(
            f"commands are not traced ({', '.join(untraced)}): only what their errors name is found"
        )
    failed = sum(result.error is not None for result in results)
    found = sum(len(result.undeclared) for result in results)
    print(f"{len(results)} stages checked: {found} undeclared, {failed} failed")
    if args.fix:
        for file in fix({result.stage: result.undeclared for result in results}):
            print(f"{file}: fixed")
        return 1 if failed else 0
    return 1 if found or failed else 0
