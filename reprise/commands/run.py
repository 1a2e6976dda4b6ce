"""`reprise run`: bring the stages up to date, in parallel."""

import argparse
import os

from reprise.commands.options import Subparsers, chosen_stages, parse_jobs, targets_parser
from reprise.dvc import Repository
from reprise.errors import PipelineError
from reprise.flows.engines import DEFAULT_ENGINE, ENGINES, engine_options
from reprise.runner.console import ConsoleReporter
from reprise.runner.options import RunOptions
from reprise.runner.session import plan_and_run


def add_parser(subparsers: Subparsers) -> None:
    """Add `run` to the command line."""
    parser = subparsers.add_parser(
        "run", parents=[targets_parser()], help="bring the stages up to date, in parallel"
    )
    add = parser.add_argument
    cores = os.cpu_count() or 1
    add(
        "-j",
        "--jobs",
        type=parse_jobs,
        default=cores,
        metavar="N",
        help="at most N at a time (default: cores)",
    )
    add(
        "-k",
        "--keep-going",
        action="store_true",
        help="after a failure, go on with what does not depend on it",
    )
    add("-f", "--force", action="store_true", help="run stages even if nothing changed")
    add("--pull", action="store_true", help="pull missing data and runs from the remote")
    add("--no-sandbox", action="store_true", help="run commands in the workspace itself")
    add("--prefect", action="store_true", help="as a flow run of Prefect")
    add(
        "--runner",
        choices=[*ENGINES],
        default=DEFAULT_ENGINE,
        help=f"of the flow's commands (default: {DEFAULT_ENGINE})",
    )
    for option in engine_options():
        add(option.flag, type=option.type, metavar=option.metavar, help=option.help)


def execute(args: argparse.Namespace) -> int:
    """Run the stages. Returns 1 when one failed."""
    if args.prefect:
        from reprise.flows.launch import run_flow  # a second to import, and an extra

        return run_flow(args)
    _check_no_engine(args)
    options = RunOptions(
        jobs=args.jobs,
        force=args.force,
        keep_going=args.keep_going,
        pull=args.pull,
        sandbox=not args.no_sandbox,
    )
    reporter = ConsoleReporter()
    with Repository() as repository:
        runner = plan_and_run(
            repository, lambda opened: chosen_stages(opened, args), options, reporter
        )
    return 1 if runner.errors else 0


def _check_no_engine(args: argparse.Namespace) -> None:
    """Raise PipelineError if an option of a flow run is given without --prefect."""
    flags = ["--runner"]
    given = [args.runner != DEFAULT_ENGINE]
    for option in engine_options():
        flags.append(option.flag)
        given.append(bool(getattr(args, option.name)))
    if any(given):
        found = " and ".join(flags)
        raise PipelineError(f"{found}: found no --prefect; expected it: they are of a flow run")
