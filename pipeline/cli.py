"""The command line: `reprise plan`, `run`, `check`, `verify`, `report`, `comment` and `retrain`."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.interrupt import Interrupted
from pipeline.journal import History, Journal
from pipeline.plan import make_plan
from pipeline.reporter import ConsoleReporter, plan_json
from pipeline.repository import FAILURES, Repository, Stage, message
from pipeline.run import Options, Runner


def main(arguments: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(arguments)
    for name in ("dvc", "dvc_data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # their errors come as exceptions too
    try:
        if args.directory:
            os.chdir(args.directory)
        sys.exit(args.command(args))
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
        from pipeline.prefect_run import run_flow  # a second to import, and an extra

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
    from pipeline import check as checking
    from pipeline.fix import fix

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
    from pipeline import verify as verifying

    repository = Repository()
    for stage in _steps(repository, args):
        why = verifying.unverifiable(stage)
        differs = None if why else verifying.verify(stage)
        print(f"{stage.name}: not verified: {why}" if why else f"{stage.name}: {differs or 'the same'}", flush=True)
        if differs:
            return 1
    return 0


def report(args: argparse.Namespace) -> int:
    from pipeline.review import FORMATS, review  # statistics and DuckDB: a second to import

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
    from pipeline.forge import forge
    from pipeline.review.markdown import MARKER

    print(forge().comment(args.pull_request, Path(args.file).read_text(encoding="utf-8"), MARKER))
    return 0


def retrain(args: argparse.Namespace) -> int:
    from pipeline.retrain.gate import Gate
    from pipeline.retrain.retrain import Options as Retraining
    from pipeline.retrain.retrain import retrain as retrain_
    from pipeline.review import markdown

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
    print(f"{made.decision.outcome}: {made.decision.reason}")
    return 0


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number from 0")
    return value


def _steps(repository: Repository, args: argparse.Namespace) -> list[Stage]:
    return repository.steps(
        args.targets, downstream=args.downstream, single_item=args.single_item, everything=args.all_pipelines
    )


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number from 1")
    return int(text)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(message=f"reprise {version('reprise')}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("reprise", description="Plans and runs the stages of a DVC repository.")
    parser.add_argument("--version", action=_Version, nargs=0, help="the version of reprise")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("targets", nargs="*", metavar="TARGET", help="stages, outputs, dvc.yaml or .dvc files")
    common.add_argument("-C", dest="directory", metavar="DIR", help="work in that folder")
    common.add_argument("-s", "--single-item", action="store_true", help="only the targets, not what they depend on")
    common.add_argument("--downstream", action="store_true", help="the targets and what depends on them")
    common.add_argument("-P", "--all-pipelines", action="store_true", help="every dvc.yaml of the repository")

    planning = commands.add_parser("plan", parents=[common], help="what would run, and why; runs nothing")
    planning.add_argument("-f", "--force", action="store_true", help="as if everything had changed")
    planning.add_argument("--json", action="store_true", help="the whole plan as JSON")
    planning.add_argument("--exit-code", action="store_true", help="exit 2 if there is something to do")
    planning.set_defaults(command=plan)

    running = commands.add_parser("run", parents=[common], help="bring the stages up to date, in parallel")
    running.add_argument(
        "-j",
        "--jobs",
        type=_jobs,
        default=os.cpu_count() or 1,
        metavar="N",
        help="at most N at a time (default: cores)",
    )
    running.add_argument(
        "-k", "--keep-going", action="store_true", help="after a failure, go on with what does not depend on it"
    )
    running.add_argument("-f", "--force", action="store_true", help="run stages even if nothing changed")
    running.add_argument("--pull", action="store_true", help="pull missing data and runs from the remote")
    running.add_argument("--no-sandbox", action="store_true", help="run commands in the workspace itself")
    running.add_argument("--prefect", action="store_true", help="as a flow run of Prefect")
    running.add_argument(
        "--runner", choices=["threads", "dask"], default="threads", help="of the flow's commands (default: threads)"
    )
    running.add_argument("--dask-address", metavar="ADDRESS", help="of a Dask scheduler (default: one for this run)")
    running.set_defaults(command=run)

    checking_ = commands.add_parser(
        "check", parents=[common], help="find every undeclared input; exit 1 if there is one"
    )
    checking_.add_argument("--fix", action="store_true", help="write the missing deps and params into dvc.yaml")
    checking_.set_defaults(command=check)

    verifying_ = commands.add_parser(
        "verify", parents=[common], help="run again aside; name the first out that differs"
    )
    verifying_.set_defaults(command=verify)
    reporting = commands.add_parser("report", help="what changed between two revisions, and whether the metrics moved")
    reporting.add_argument("old", nargs="?", default="HEAD", metavar="OLD", help="a branch or commit (default: HEAD)")
    reporting.add_argument("new", nargs="?", metavar="NEW", help="a branch or commit (default: the working tree)")
    reporting.add_argument("-C", dest="directory", metavar="DIR", help="work in that folder")
    reporting.add_argument("--format", choices=["md", "json", "html"], default="md", help="(default: md)")
    reporting.add_argument("--out", metavar="FILE", help="write there (default: standard output)")
    reporting.add_argument(
        "--fail-on",
        choices=["worse", "no-verdict"],
        help="exit 1 when the primary metric is worse beyond noise; no-verdict: or can't be judged",
    )
    reporting.set_defaults(command=report)

    commenting = commands.add_parser("comment", help="post a report to a pull request, or update the one that is there")
    commenting.add_argument("file", metavar="FILE", help="of `reprise report --format md --out FILE`")
    commenting.add_argument("--pull-request", type=int, required=True, metavar="N", help="its number")
    commenting.set_defaults(command=comment, directory=None)
    retraining = commands.add_parser(
        "retrain", help="train on new data in a clone, and propose the model if it is better beyond noise"
    )
    retraining.add_argument(
        "repository", nargs="?", default=".", help="a git address or path (default: this checkout's origin)"
    )
    retraining.add_argument("--base", default="main", metavar="BRANCH", help="the champion's branch (default: main)")
    retraining.add_argument(
        "--publish", choices=["pr", "branch", "push", "none"], default="pr", help="of a better model (default: pr)"
    )
    retraining.add_argument("--metric", metavar="NAME", help="to decide by (default: the first that dvc.yaml declares)")
    retraining.add_argument(
        "--min-effect", type=_amount, default=0.0, metavar="X", help="the least difference that is worth a promotion"
    )
    retraining.add_argument(
        "--promote-when", choices=["better", "not-worse"], default="better", help="beyond noise (default: better)"
    )
    retraining.add_argument("-j", "--jobs", type=_jobs, metavar="N", help="at most N stages at a time")
    retraining.add_argument("--no-wait", action="store_true", help="skip when another retraining is at work")
    retraining.add_argument("--dry-run", action="store_true", help="decide, and push nothing")
    retraining.add_argument("--workplace", default="~/.cache/reprise", metavar="DIR", help="where clones are kept")
    retraining.add_argument("--out", metavar="FILE", help="write the decision there, as JSON")
    retraining.add_argument("--report", metavar="FILE", help="write the report there, as Markdown")
    retraining.set_defaults(command=retrain, directory=None)
    return parser


if __name__ == "__main__":
    main()
