"""What each command of `reprise` does; what it takes is in `arguments`."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from reprise.arguments import parser
from reprise.errors import PipelineError
from reprise.interrupt import Interrupted
from reprise.journal import History, Journal
from reprise.plan import make_plan
from reprise.reporter import ConsoleReporter, plan_json
from reprise.repository import FAILURES, Repository, Stage, message
from reprise.run import Options, Runner


def main(arguments: Sequence[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    for name in ("dvc", "dvc_data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # their errors come as exceptions too
    try:
        if args.directory:
            os.chdir(args.directory)
        sys.exit(COMMANDS[args.command](args))
    except PipelineError as e:
        sys.exit(f"reprise: {e}")
    except Interrupted as e:
        sys.exit(e.status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except FAILURES as e:
        sys.exit(f"reprise: {' '.join(message(e).split())}")


def plan(args: argparse.Namespace) -> int:
    repository = Repository()
    stages = _steps(repository, args)
    steps = make_plan(stages, Journal(repository.temporary).left_over(), force=args.force)
    history = History(repository.temporary)
    if args.json:
        print(plan_json(steps, history))
    else:
        ConsoleReporter().plan(steps, history)
    return 2 if args.exit_code and any(s.kind != "unchanged" for s in steps) else 0


def run(args: argparse.Namespace) -> int:
    if args.prefect:
        from reprise.prefect_run import run_flow  # a second to import, and an extra

        return run_flow(args)
    if args.runner != "threads" or args.dask_address:
        raise PipelineError("--runner and --dask-address: found no --prefect; expected it: they are of a flow run")
    reporter = ConsoleReporter()
    repository = Repository()
    with repository.lock(lambda who: reporter.note(f"waiting for {who} to release DVC's lock")):
        stages = _steps(repository, args)
        history = History(repository.temporary)
        reporter.plan(make_plan(stages, Journal(repository.temporary).left_over(), force=args.force), history)
    options = Options(args.jobs, args.force, args.keep_going, args.pull, not args.no_sandbox)
    runner = Runner(repository, stages, options, reporter)
    reporter.begin()
    try:
        succeeded = runner.run()
    finally:
        reporter.finish()
        last = [history.last(s.name) for s in runner.seconds]
        reporter.summary(runner.states, sum(filter(None, last)) if last and None not in last else None)
    return 0 if succeeded else 1


def check(args: argparse.Namespace) -> int:
    from reprise import check as checking
    from reprise.fix import fix

    repository = Repository()
    results = []
    for stage in _steps(repository, args):
        if stage.has_command and stage.settings.sandbox:
            results.append(checking.check(stage))
            print("\n".join(checking.lines(results[-1])), flush=True)
    untraced = {r.untraced for r in results if r.untraced}
    if untraced:
        print(f"commands are not traced ({', '.join(untraced)}): only what their errors name is found")
    failed = sum(r.error is not None for r in results)
    found = sum(len(r.undeclared) for r in results)
    print(f"{len(results)} stages checked: {found} undeclared, {failed} failed")
    if args.fix:
        for file in fix({r.stage: r.undeclared for r in results}):
            print(f"{file}: fixed")
        return 1 if failed else 0
    return 1 if found or failed else 0


def verify(args: argparse.Namespace) -> int:
    from reprise import verify as verifying

    repository = Repository()
    for stage in _steps(repository, args):
        why = verifying.unverifiable(stage)
        differs = None if why else verifying.verify(stage)
        print(f"{stage.name}: not verified: {why}" if why else f"{stage.name}: {differs or 'the same'}", flush=True)
        if differs:
            return 1
    return 0


def report(args: argparse.Namespace) -> int:
    from reprise.review import FORMATS, review  # statistics and DuckDB: a second to import

    made = review(args.old, args.new)
    text = FORMATS[args.format](made)
    if args.out:
        Path(args.out).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    verdict = made.primary.verdict if made.primary is not None else None
    if args.fail_on and verdict is None:
        print(f"reprise: --fail-on {args.fail_on}: found no verdict to go by; see the report's notes", file=sys.stderr)
    return int(args.fail_on is not None and verdict in ("worse", None if args.fail_on == "no-verdict" else "worse"))


def comment(args: argparse.Namespace) -> int:
    from reprise.forge import forge
    from reprise.review.markdown import MARKER

    print(forge().comment(args.pull_request, Path(args.file).read_text(encoding="utf-8"), MARKER))
    return 0


def retrain(args: argparse.Namespace) -> int:
    from reprise.retrain.gate import Gate
    from reprise.retrain.options import Options as Retraining
    from reprise.retrain.retrain import retrain as retrain_
    from reprise.review import markdown

    gate = Gate(metric=args.metric, min_effect=args.min_effect, when=args.promote_when)
    folder = Path(args.workplace).expanduser().resolve()
    options = Retraining(
        args.repository, folder, args.base, args.publish, gate, args.jobs, not args.no_wait, args.dry_run
    )
    made = retrain_(options, lambda line: print(line, flush=True))
    if made.report is not None and args.report:
        Path(args.report).write_text(markdown(made.report), encoding="utf-8")
    if args.out:
        Path(args.out).write_text(made.decision.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return 0


def _steps(repository: Repository, args: argparse.Namespace) -> list[Stage]:
    return repository.steps(
        args.targets, downstream=args.downstream, single_item=args.single_item, everything=args.all_pipelines
    )


COMMANDS = {
    "plan": plan,
    "run": run,
    "check": check,
    "verify": verify,
    "report": report,
    "comment": comment,
    "retrain": retrain,
}


if __name__ == "__main__":
    main()
