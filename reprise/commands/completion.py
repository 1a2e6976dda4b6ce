"""`reprise completion`: print the script by which a shell completes commands and options."""

import argparse

from reprise.commands.options import Subparsers, directory_parser

EXAMPLES = {
    "reprise completion -s bash > ~/.local/share/bash-completion/completions/reprise": "for bash",
    "reprise completion -s zsh > ~/.zsh/completions/_reprise": "for zsh, with it in fpath",
}
EXIT_STATUS = {0: "the script is printed"}


def add_parser(subparsers: Subparsers) -> None:
    """Add `completion` to the command line."""
    help_ = "print the script by which a shell completes commands and options"
    parser = subparsers.add_parser("completion", parents=[directory_parser()], help=help_)
    parser.add_argument(
        "-s", "--shell", choices=["bash", "zsh"], default="bash", help="(default: bash)"
    )


def execute(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab  # DVC's own too

    print(shtab.complete(args.parser, args.shell))
    return 0
