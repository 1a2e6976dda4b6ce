"""`reprise help`: print the help of reprise, or of a command."""

import argparse

from reprise.commands.options import Subparsers, directory_parser
from reprise.errors import PipelineError

EXAMPLES = {
    "reprise help": "all commands",
    "reprise help run": "the options of run, as reprise run --help",
}
EXIT_STATUS = {0: "the help is printed", 1: "there is no such command"}


def add_parser(subparsers: Subparsers) -> None:
    """Add `help` to the command line."""
    help_ = "print the help of reprise, or of a command"
    parser = subparsers.add_parser("help", parents=[directory_parser()], help=help_)
    parser.add_argument("topic", nargs="?", metavar="COMMAND", help="(default: all of them)")
    parser.set_defaults(commands=subparsers.choices)


def execute(args: argparse.Namespace) -> int:
    """Print the help. Raises PipelineError for a command that is not there."""
    if args.topic is None:
        args.parser.print_help()
        return 0
    if args.topic not in args.commands:
        import difflib

        near = difflib.get_close_matches(args.topic, args.commands, n=1)
        expected = f"{near[0]}?" if near else f"one of {', '.join(args.commands)}"
        raise PipelineError(f"help: found no command {args.topic!r}; expected {expected}")
    args.commands[args.topic].print_help()
    return 0
