"""What the command line of `reprise` takes, command by command."""

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def parser() -> argparse.ArgumentParser:
    """Its `command` is the name of one."""
    made = argparse.ArgumentParser("reprise", description="Plans and runs the stages of a DVC repository.")
    made.add_argument("--version", action=_Version, nargs=0, help="the version of reprise")
    made.set_defaults(directory=None)
    commands = made.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for add in (_plan, _run, _check, _verify, _report, _comment, _retrain):
        add(commands)
    return made


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number from 1")
    return int(text)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(message=f"reprise {version('dvc-reprise')}\n")


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number from 0")
    return value


def _directory() -> argparse.ArgumentParser:
    part = argparse.ArgumentParser(add_help=False)
    part.add_argument("-C", dest="directory", metavar="DIR", help="work in that folder")
    return part


def _targets() -> argparse.ArgumentParser:
    part = argparse.ArgumentParser(add_help=False, parents=[_directory()])
    part.add_argument("targets", nargs="*", metavar="TARGET", help="stages, outputs, dvc.yaml or .dvc files")
    part.add_argument("-s", "--single-item", action="store_true", help="only the targets, not what they depend on")
    part.add_argument("--downstream", action="store_true", help="the targets and what depends on them")
    part.add_argument("-P", "--all-pipelines", action="store_true", help="every dvc.yaml of the repository")
    return part


def _plan(commands: "Commands") -> None:
    add = commands.add_parser("plan", parents=[_targets()], help="what would run, and why; runs nothing").add_argument
    add("-f", "--force", action="store_true", help="as if everything had changed")
    add("--json", action="store_true", help="the whole plan as JSON")
    add("--exit-code", action="store_true", help="exit 2 if there is something to do")


def _run(commands: "Commands") -> None:
    add = commands.add_parser("run", parents=[_targets()], help="bring the stages up to date, in parallel").add_argument
    cores = os.cpu_count() or 1
    add("-j", "--jobs", type=_jobs, default=cores, metavar="N", help="at most N at a time (default: cores)")
    add("-k", "--keep-going", action="store_true", help="after a failure, go on with what does not depend on it")
    add("-f", "--force", action="store_true", help="run stages even if nothing changed")
    add("--pull", action="store_true", help="pull missing data and runs from the remote")
    add("--no-sandbox", action="store_true", help="run commands in the workspace itself")
    add("--prefect", action="store_true", help="as a flow run of Prefect")
    runners = ["threads", "dask"]
    add("--runner", choices=runners, default="threads", help="of the flow's commands (default: threads)")
    add("--dask-address", metavar="ADDRESS", help="of a Dask scheduler (default: one for this run)")


def _check(commands: "Commands") -> None:
    help_ = "find every undeclared input; exit 1 if there is one"
    add = commands.add_parser("check", parents=[_targets()], help=help_).add_argument
    add("--fix", action="store_true", help="write the missing deps and params into dvc.yaml")


def _verify(commands: "Commands") -> None:
    commands.add_parser("verify", parents=[_targets()], help="run again aside; name the first out that differs")


def _report(commands: "Commands") -> None:
    help_ = "what changed between two revisions, and whether the metrics moved"
    add = commands.add_parser("report", parents=[_directory()], help=help_).add_argument
    add("old", nargs="?", default="HEAD", metavar="OLD", help="a branch or commit (default: HEAD)")
    add("new", nargs="?", metavar="NEW", help="a branch or commit (default: the working tree)")
    add("--format", choices=["md", "json", "html"], default="md", help="(default: md)")
    add("--out", metavar="FILE", help="write there (default: standard output)")
    judged = "exit 1 when the primary metric is worse beyond noise; no-verdict: or can't be judged"
    add("--fail-on", choices=["worse", "no-verdict"], help=judged)


def _comment(commands: "Commands") -> None:
    help_ = "post a report to a pull request, or update the one that is there"
    add = commands.add_parser("comment", help=help_).add_argument
    add("file", metavar="FILE", help="of `reprise report --format md --out FILE`")
    add("--pull-request", type=int, required=True, metavar="N", help="its number")


def _retrain(commands: "Commands") -> None:
    help_ = "train on new data in a clone, and propose the model if it is better beyond noise"
    add = commands.add_parser("retrain", help=help_).add_argument
    add("repository", nargs="?", default=".", help="a git address or path (default: this checkout's origin)")
    add("--base", default="main", metavar="BRANCH", help="the champion's branch (default: main)")
    modes = ["pr", "branch", "push", "none"]
    add("--publish", choices=modes, default="pr", help="of a better model (default: pr)")
    add("--metric", metavar="NAME", help="to decide by (default: the first that dvc.yaml declares)")
    least = "the least difference that is worth a promotion"
    add("--min-effect", type=_amount, default=0.0, metavar="X", help=least)
    verdicts = ["better", "not-worse"]
    add("--promote-when", choices=verdicts, default="better", help="beyond noise (default: better)")
    add("-j", "--jobs", type=_jobs, metavar="N", help="at most N stages at a time")
    add("--no-wait", action="store_true", help="skip when another retraining is at work")
    add("--dry-run", action="store_true", help="decide, and push nothing")
    add("--workplace", default="~/.cache/reprise", metavar="DIR", help="where clones are kept")
    add("--out", metavar="FILE", help="write the decision there, as JSON")
    add("--report", metavar="FILE", help="write the report there, as Markdown")
