"""`reprise plan`: say what would run, and why."""

import argparse

from reprise.commands.options import (
    Subparsers,
    changes_parser,
    chosen_stages,
    plan_question,
    targets_parser,
)
from reprise.runner.console import ConsoleReporter
from reprise.runner.states import StepKind
from reprise.state.trace.answer import answering, recall

EXAMPLES = {
    "reprise plan": "what would run of the dvc.yaml here",
    "reprise plan --exit-code train": "exit 2 if train, or what it needs, is not up to date",
}
EXIT_STATUS = {
    0: "the plan is printed",
    1: "a stage is an error",
    2: "with --exit-code: there is something to do; or the command line is wrong",
}


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


def execute_idle(args: argparse.Namespace) -> int | None:
    """Print the plan of before if it found nothing to do, and nothing has moved since.

    Returns the status; None where that is not so.
    """
    answer = recall(plan_question(args))
    if answer is None:
        return None
    if args.json:
        print(answer.document)
    else:
        ConsoleReporter().show((StepKind.UNCHANGED, line) for line in answer.lines)
    return 0


def execute(args: argparse.Namespace) -> int:
    """Print the plan. Returns 1 if a stage is an error, 2 with --exit-code when one would run."""
    from reprise.dvc import Repository
    from reprise.runner.kept_plan import KeptPlan
    from reprise.runner.options import RunOptions
    from reprise.runner.plan import plan_stages
    from reprise.runner.plan_format import plan_json
    from reprise.state.durations import Durations

    with answering(plan_question(args)) as pending, Repository() as repository:
        kept = KeptPlan(pending)
        stages = kept.take_stages(repository, lambda opened: chosen_stages(opened, args))
        options = RunOptions(
            force=args.force,
            force_downstream=args.force_downstream,
            allow_missing=args.allow_missing,
            run_cache=not args.no_run_cache,
        )
        steps = plan_stages(repository, stages, options)
        durations = Durations(repository.temporary)
        if not args.has_warned:
            kept.keep(repository, steps, durations)
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
