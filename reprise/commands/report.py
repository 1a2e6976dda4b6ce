"""`reprise report`: show what changed between two revisions, and whether the metrics moved."""

import argparse
import sys
from pathlib import Path

from reprise.commands.options import Subparsers, directory_parser, parse_count
from reprise.errors import PipelineError

EXAMPLES = {
    "reprise report main": "the working tree with where it left main",
    "reprise report main --fail-on worse --out report.html": "a page; fail if the metric is worse",
}
EXIT_STATUS = {
    0: "the report is written",
    1: "--fail-on says so",
}
SUFFIXES = {".html": "html", ".json": "json", ".md": "md", ".txt": "text"}


def add_parser(subparsers: Subparsers) -> None:
    """Add `report` to the command line."""
    help_ = "what changed between two revisions, and whether the metrics moved"
    parser = subparsers.add_parser("report", parents=[directory_parser()], help=help_)
    add = parser.add_argument
    old = "a branch or commit (default: HEAD); OLD...NEW is where they parted, and NEW"
    add("old", nargs="?", default="HEAD", metavar="OLD", help=old)
    new = "a branch or commit (default: the working tree, against where it left OLD)"
    add("new", nargs="?", metavar="NEW", help=new)
    default = "default: by the end of --out's FILE, text on a terminal, else md"
    add("--format", choices=["text", "md", "json", "html"], help=f"({default})")
    add("--out", metavar="FILE", help="write there (default: standard output)")
    judged = "exit 1 when the primary metric is worse beyond noise; no-verdict: or can't be judged"
    add("--fail-on", choices=["worse", "no-verdict"], help=judged)
    named = "of --fail-on, in place of the primary metric; may be given several times"
    trained = "train again with other seeds what is needed to judge the change itself"
    add("--replicates", action="store_true", help=trained)
    add(
        "-j",
        "--jobs",
        type=parse_count,
        default=1,
        metavar="N",
        help="with --replicates: at most N trainings at a time (default: 1)",
    )
    add("--metric", action="append", default=[], metavar="NAME", help=named)


def execute(args: argparse.Namespace) -> int:
    """Write the report. Returns 1 when --fail-on says so."""
    # statistics and DuckDB: a second to import
    from reprise.review.builder import review
    from reprise.review.formats import FORMATS
    from reprise.review.render.text import print_text
    from reprise.review.stats.results import Verdict

    if args.metric and args.fail_on is None:
        raise PipelineError("--metric: found no --fail-on; expected it, to say what fails")
    if args.replicates:
        from reprise.commands.replicated_report import review_replicated

        report = review_replicated(args.old, args.new, args.jobs)
    else:
        report = review(args.old, args.new)
    chosen = args.format or _default_format(args.out)
    if args.out:
        Path(args.out).write_text(FORMATS[chosen](report), encoding="utf-8")
    elif chosen == "text":
        print_text(report)
    else:
        sys.stdout.write(FORMATS[chosen](report))
    if args.fail_on is None:
        return 0
    verdicts = report.verdicts(args.metric)
    if Verdict.WORSE in verdicts:
        return 1
    if verdicts and None not in verdicts:
        return 0
    print(
        f"reprise: --fail-on {args.fail_on}: found no verdict to go by; see the report's notes",
        file=sys.stderr,
    )
    if args.fail_on == "no-verdict":
        return 1
    return 0


def _default_format(out: str | None) -> str:
    """Choose the format that the file's name asks for, or that a terminal shows."""
    if out is not None:
        return SUFFIXES.get(Path(out).suffix.lower(), "md")
    if sys.stdout.isatty():
        return "text"
    return "md"
