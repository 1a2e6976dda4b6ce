"""Parse the command line of `reprise`, run the command, and end with one line for an error."""

import argparse
import os
import sys
from collections.abc import Sequence

from reprise.commands import check, comment, plan, publish, replicate, report, retrain, run, verify
from reprise.dvc import dvc_boundary, showing_warnings
from reprise.errors import PipelineError
from reprise.process.signals import Interrupted

COMMANDS = (plan, run, check, verify, replicate, report, comment, retrain, publish)


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
    parser.set_defaults(directory=None)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in COMMANDS:
        command.add_parser(commands)
        name = command.__name__.rpartition(".")[2]
        commands.choices[name].set_defaults(execute=command.execute)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its status.

    1 after one line for an error; 128 + the signal's number after SIGINT, SIGTERM and SIGHUP.
    """
    try:
        args = make_parser().parse_args(arguments)
        with dvc_boundary(), showing_warnings(_print_warning):
            if args.directory:
                os.chdir(args.directory)
            sys.exit(args.execute(args))
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


def _print_warning(text: str) -> None:
    print(f"reprise: warning: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
