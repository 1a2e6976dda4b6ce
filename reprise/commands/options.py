"""Define the options that several commands share."""

import argparse
from typing import TypeAlias

from reprise.dvc import Repository, Stage

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def parse_jobs(text: str) -> int:
    """Parse a number of jobs. Raises ArgumentTypeError unless it is a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number from 1")
    return int(text)


def parse_nonnegative(text: str) -> float:
    """Parse a finite number. Raises ArgumentTypeError for one below 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number from 0")
    return value


def directory_parser() -> argparse.ArgumentParser:
    """Make a parent parser with `-C DIR`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("-C", dest="directory", metavar="DIR", help="work in that folder")
    return parent


def targets_parser() -> argparse.ArgumentParser:
    """Make a parent parser with `-C DIR` and the options that choose stages."""
    parent = argparse.ArgumentParser(add_help=False, parents=[directory_parser()])
    parent.add_argument(
        "targets", nargs="*", metavar="TARGET", help="stages, outputs, dvc.yaml or .dvc files"
    )
    parent.add_argument(
        "-s", "--single-item", action="store_true", help="only the targets, not what they depend on"
    )
    parent.add_argument(
        "--downstream", action="store_true", help="the targets and what depends on them"
    )
    parent.add_argument(
        "-P", "--all-pipelines", action="store_true", help="every dvc.yaml of the repository"
    )
    return parent


def chosen_stages(repository: Repository, args: argparse.Namespace) -> list[Stage]:
    """Find the stages that the options of `targets_parser` choose, in plan order."""
    return repository.collect_stages(
        args.targets,
        downstream=args.downstream,
        single_item=args.single_item,
        everything=args.all_pipelines,
    )
