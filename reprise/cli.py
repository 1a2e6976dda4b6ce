"""Parse the command line of `reprise`, run the command, and end with one line for an error.

What parses it imports no DVC, which takes half a second: a command imports what it needs.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

from reprise.commands import (
    check,
    comment,
    completion,
    help,
    init,
    plan,
    publish,
    replicate,
    report,
    retrain,
    run,
    verify,
)
from reprise.commands.options import add_directory, format_epilog
from reprise.errors import PipelineError, missing_package
from reprise.process.signals import Interrupted, exiting_at_once, unwrapping_ctrl_c

REVIEW = ("duckdb", "numpy", "pyarrow", "scipy")  # packages of that extra
COMMANDS = (
    init,
    plan,
    run,
    check,
    verify,
    replicate,
    report,
    comment,
    retrain,
    publish,
    completion,
    help,
)


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(message=f"reprise {version('dvc-reprise')}\n")


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands. What it parses has the command's function as `execute`."""
    parser = argparse.ArgumentParser(
        "reprise", description="Plans and runs the stages of a DVC repository."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="the version of reprise")
    add_directory(parser)
    parser.set_defaults(directory=None, has_warned=False, parser=parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in COMMANDS:
        command.add_parser(commands)
        name = command.__name__.rpartition(".")[2]
        subparser = commands.choices[name]
        subparser.description = _describe(command)
        subparser.epilog = format_epilog(command.EXAMPLES, command.EXIT_STATUS, subparser.epilog)
        subparser.formatter_class = argparse.RawDescriptionHelpFormatter
        subparser.set_defaults(
            execute=command.execute, execute_idle=getattr(command, "execute_idle", None)
        )
    return parser


def _describe(command: ModuleType) -> str:
    """Return the sentence of the module's docstring: what stands after the command's name."""
    assert command.__doc__ is not None
    text = command.__doc__.partition(": ")[2].partition("\n")[0]
    return text[0].upper() + text[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its status.

    1 after one line for an error; 128 + the signal's number after SIGINT, SIGTERM and SIGHUP.
    """
    try:
        args = make_parser().parse_args(arguments)
        sys.exit(_execute(args))
    except PipelineError as e:
        sys.exit(f"reprise: {e}")
    except Interrupted as e:
        sys.exit(e.status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Else Python would fail once more, as it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _execute(args: argparse.Namespace) -> int:
    """Execute the command in the folder of `-C`. Returns the exit status."""
    _enter(args.directory)
    if args.execute_idle is not None:
        idle: int | None = args.execute_idle(args)
        if idle is not None:
            return idle
    with exiting_at_once():
        from reprise.dvc import dvc_boundary, showing_warnings

    def warn(text: str) -> None:
        args.has_warned = True
        print(f"reprise: warning: {text}", file=sys.stderr, flush=True)

    with unwrapping_ctrl_c(), dvc_boundary(), showing_warnings(warn), _naming_extra(args.command):
        status: int = args.execute(args)
    return status


@contextmanager
def _naming_extra(command: str) -> Iterator[None]:
    """Turn a missing package of the extra `review` into one line that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as e:
        if e.name not in REVIEW:
            raise
        raise missing_package(command, e.name, "review") from None


def _enter(folder: str | None) -> None:
    """Make it the current folder, if one is named. Raises PipelineError where there is none."""
    try:
        if folder is not None:
            os.chdir(folder)
        os.getcwd()  # it may have been removed
    except OSError as e:
        raise PipelineError(f"{folder or 'the current folder'}: {e.strerror}") from None


if __name__ == "__main__":
    main()
