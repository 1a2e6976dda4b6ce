"""`reprise plan`: say what would run, and why."""

import argparse

from reprise.commands.options import Subparsers, changes_parser, chosen_stages, targets_parser
from reprise.dvc import Repository
from reprise.runner.console import ConsoleReporter
from reprise.runner.options import RunOptions
from reprise.runner.plan import StepKind, plan_stages
from reprise.runner.plan_format import plan_json
from reprise.state.durations import Durations


def add_parser(subparsers: Subparsers) -> None:
    """Add `plan` to the command line."""
    parser = subparsers.add_parser(
        "plan",
        parents=[targets_parser(), changes_parser()],
        help="what would run, and why; runs nothing",
    )
    parser.add_argument("--json", action="store_true", help="the whole plan as JSON")
    parser.add_argument(
        "--exit-code", action="store_true", help="exit 2 if there is something to do"
    )


def execute(args: argparse.Namespace) -> int:
    """Print the plan. Returns 1 if a stage is an error, 2 with --exit-code when one would run."""
    with Repository() as repository:
        stages = chosen_stages(repository, args)
        options = RunOptions(
            force=args.force,
            force_downstream=args.force_downstream,
            allow_missing=args.allow_missing,
            run_cache=not args.no_run_cache,
        )
        steps = plan_stages(repository, stages, options)
    durations = Durations(repository.temporary)
    if args.json:
        print(plan_json(steps, durations))
    else:
        ConsoleReporter().plan(steps, durations)
    if any(step.kind is StepKind.ERROR for step in steps):
        return 1
    has_work = any(step.kind is not StepKind.UNCHANGED for step in steps)
    if args.exit_code and has_work:
        return 2
    return 0
