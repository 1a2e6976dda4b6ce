"""Define the options that several commands share."""

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from reprise.retrain.choices import PublishMode

if TYPE_CHECKING:
    from reprise.dvc import Repository, Stage
    from reprise.state.trace.answer import Question

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

# What decides a plan, beside the files.
PLAN_OPTIONS = (
    "targets",
    "single_item",
    "downstream",
    "pipeline",
    "all_pipelines",
    "recursive",
    "glob",
    "force",
    "force_downstream",
    "allow_missing",
    "no_run_cache",
)


def parse_count(text: str) -> int:
    """Parse a count. Raises ArgumentTypeError unless it is a whole number from 1."""
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


def parse_positive(text: str) -> float:
    """Parse a finite number. Raises ArgumentTypeError for 0 and below."""
    value = parse_nonnegative(text)
    if not value:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number above 0")
    return value


def add_publication(parser: argparse.ArgumentParser, modes: Iterable[PublishMode]) -> None:
    """Add what `retrain` and `publish` say of the repository, and how it is published."""
    add = parser.add_argument
    add(
        "repository",
        nargs="?",
        default=".",
        help="a git address or path (default: this checkout's origin)",
    )
    add("--base", default="main", metavar="BRANCH", help="the champion's branch (default: main)")
    values = [mode.value for mode in modes]
    add("--publish", choices=values, default="pr", help="of a better model (default: pr)")
    add("--workplace", default="~/.cache/reprise", metavar="DIR", help="where clones are kept")


def directory_parser() -> argparse.ArgumentParser:
    """Make a parent parser with `-C DIR`."""
    parent = argparse.ArgumentParser(add_help=False)
    add_directory(parent)
    return parent


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add `-C DIR`, whose default is the parser's: it stands before the command or after it."""
    help_ = "work in that folder"
    default = argparse.SUPPRESS  # else the command's would replace what stands before it
    parser.add_argument("-C", dest="directory", metavar="DIR", default=default, help=help_)


def format_epilog(
    examples: Mapping[str, str], statuses: Mapping[int, str], more: str | None
) -> str:
    """Format the end of a command's help: examples, exit statuses, and what it has beside them."""
    lines = ["Examples:"]
    width = max(map(len, examples))
    for example, meaning in examples.items():
        lines.append(f"  {example:{width}}  {meaning}")
    lines += ["", "Exit status:"]
    for status, meaning in sorted(statuses.items()):
        lines.append(f"  {status}  {meaning}")
    lines.append("  2  the command line is wrong" if 2 not in statuses else "")
    if more:
        lines += ["", more]
    return "\n".join(lines).rstrip() + "\n"


def targets_parser() -> argparse.ArgumentParser:
    """Make a parent parser with `-C DIR` and the options that choose stages."""
    parent = argparse.ArgumentParser(add_help=False, parents=[directory_parser()])
    add = parent.add_argument
    add("targets", nargs="*", metavar="TARGET", help="stages, outputs, dvc.yaml or .dvc files")
    add("-s", "--single-item", action="store_true", help="only the targets, in their order")
    add("--downstream", action="store_true", help="the targets and what depends on them")
    add(
        "-p",
        "--pipeline",
        action="store_true",
        help="all that the targets depend on or that depends on it",
    )
    add("-P", "--all-pipelines", action="store_true", help="every dvc.yaml of the repository")
    add("-R", "--recursive", action="store_true", help="targets are folders: all stages in them")
    add("--glob", action="store_true", help="targets are patterns of stage names, as 'train*'")
    return parent


def chosen_stages(repository: "Repository", args: argparse.Namespace) -> list["Stage"]:
    """Find the stages that the options of `targets_parser` choose, in plan order."""
    from reprise.dvc import Selection

    selection = Selection(
        single_item=args.single_item,
        downstream=args.downstream,
        pipeline=args.pipeline,
        all_pipelines=args.all_pipelines,
        recursive=args.recursive,
        glob=args.glob,
    )
    return repository.collect_stages(args.targets, selection)


def plan_question(args: argparse.Namespace) -> "Question":
    """Ask for the plan that the options of `targets_parser` and `changes_parser` describe."""
    from reprise.state.trace.answer import ask

    return ask({name: getattr(args, name) for name in PLAN_OPTIONS})


def changes_parser() -> argparse.ArgumentParser:
    """Make a parent parser with the options that say which stages count as changed."""
    parent = argparse.ArgumentParser(add_help=False)
    add = parent.add_argument
    add("-f", "--force", action="store_true", help="run stages even if nothing changed")
    add(
        "--force-downstream",
        action="store_true",
        help="run what depends on a stage that ran, even if nothing else changed",
    )
    add(
        "--allow-missing",
        action="store_true",
        help="stages of which only data are missing count as unchanged",
    )
    add(
        "--no-run-cache",
        action="store_true",
        help="run stages whose outputs the run-cache has",
    )
    return parent
