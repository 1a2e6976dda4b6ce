"""`reprise run`: bring the stages up to date, in parallel."""

import argparse
from collections.abc import Sequence

from reprise.commands.options import (
    Subparsers,
    changes_parser,
    chosen_stages,
    parse_count,
    plan_question,
    targets_parser,
)
from reprise.errors import PipelineError
from reprise.flows.engines import DEFAULT_ENGINE, ENGINES, engine_options
from reprise.runner.console import ConsoleReporter
from reprise.runner.options import OnError, RunOptions, count_cores
from reprise.runner.states import StageState, StepKind
from reprise.state.trace.answer import answering, recall

EXAMPLES = {
    "reprise run -j4": "bring all stages up to date, four at a time",
    "reprise run --pull train": "train and what it needs, with data and runs of the remote",
}
EXIT_STATUS = {
    0: "all stages are up to date, or --ignore-errors is given",
    1: "a stage failed",
}
DIFFERENCES = """\
Where it differs from dvc repro (docs/repro-options.md has every option):
  targets             outputs are targets, too
  -R, --glob          targets without a stage are an error; dvc repro runs everything
  -i                  runs one stage at a time
  --pull              asks for the runs that are needed; goes on without a remote
  --allow-missing     a stage that never ran is run
  --dry               prints the plan, with reasons
  -q, -v              are not there
  exit status         1 for a failure; dvc repro has 255
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add `run` to the command line."""
    parser = subparsers.add_parser(
        "run",
        parents=[targets_parser(), changes_parser()],
        help="bring the stages up to date, in parallel",
        epilog=DIFFERENCES,
    )
    add = parser.add_argument
    add(
        "-j",
        "--jobs",
        type=parse_count,
        default=count_cores(),
        metavar="N",
        help="at most N at a time (default: cores); with 1, commands read the standard input",
    )
    _add_error_options(parser)
    add("--pull", action="store_true", help="get missing data and runs from the remote")
    add("--no-commit", action="store_true", help="put no outputs and runs into the cache")
    add(
        "-i", "--interactive", action="store_true", help="ask before each stage; runs one at a time"
    )
    add("--dry", action="store_true", help="print the plan, and run nothing")
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


def _add_error_options(parser: argparse.ArgumentParser) -> None:
    """Add the two options that exclude each other: as with `dvc repro`, the last one counts."""
    parser.add_argument(
        "-k",
        "--keep-going",
        action="store_const",
        dest="on_error",
        const=OnError.KEEP_GOING,
        default=OnError.FAIL,
        help="after a failure, go on with what does not depend on it",
    )
    parser.add_argument(
        "--ignore-errors",
        action="store_const",
        dest="on_error",
        const=OnError.IGNORE,
        help="after a failure, go on with everything; exit 0",
    )


def execute_idle(args: argparse.Namespace) -> int | None:
    """Say that there is nothing to do, if the plan of before said so and nothing has moved since.

    Returns the status; None where that is not so.
    """
    if args.prefect or args.pull:
        return None
    _check_no_engine(args)
    reporter = ConsoleReporter()
    answer = recall(plan_question(args))
    if answer is None or (answer.has_notes and not args.dry):
        return None
    reporter.show((StepKind.UNCHANGED, line) for line in answer.lines)
    if not args.dry:
        reporter.summary([StageState.UNCHANGED] * answer.stages, None)
    return 0


def execute(args: argparse.Namespace) -> int:
    """Run the stages. Returns 1 when one failed, unless errors are ignored."""
    if args.prefect and args.interactive:
        raise PipelineError("-i: found --prefect; expected one of the two: a flow run can't ask")
    if args.prefect and not args.dry:
        from reprise.flows.launch import run_flow  # a second to import, and an extra

        return run_flow(args)
    _check_no_engine(args)

    from reprise.dvc import Repository, Stage
    from reprise.runner.kept_plan import KeptPlan
    from reprise.runner.plan import Step, plan_stages
    from reprise.runner.session import plan_and_run
    from reprise.state.durations import Durations

    options = _options(args)
    reporter = ConsoleReporter()
    with answering(plan_question(args)) as pending, Repository() as repository:
        kept = KeptPlan(pending, recalls=not args.pull)

        def choose(opened: Repository) -> list[Stage]:
            return kept.take_stages(opened, lambda opened: chosen_stages(opened, args))

        def keep(steps: Sequence[Step], durations: Durations) -> None:
            if not args.has_warned:
                kept.keep(repository, steps, durations)
            kept.end()

        if args.dry:
            steps = plan_stages(repository, choose(repository), options)
            durations = Durations(repository.temporary)
            keep(steps, durations)
            reporter.plan(steps, durations)
            return 0
        runner = plan_and_run(repository, choose, options, reporter, keep)
    if options.on_error is OnError.IGNORE:
        return 0
    if runner.errors:
        return 1
    return 0


def _options(args: argparse.Namespace) -> RunOptions:
    jobs = args.jobs
    if args.interactive:
        jobs = 1
    return RunOptions(
        jobs=jobs,
        force=args.force,
        force_downstream=args.force_downstream,
        allow_missing=args.allow_missing,
        on_error=args.on_error,
        pull=args.pull,
        commit=not args.no_commit,
        run_cache=not args.no_run_cache,
        interactive=args.interactive,
        reads_stdin=jobs == 1,
        sandbox=not args.no_sandbox,
    )


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
