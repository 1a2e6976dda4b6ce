"""`reprise retrain`: train on new data in a clone, and propose the model if it is better."""

import argparse
from pathlib import Path

from reprise.commands.options import (
    Subparsers,
    add_publication,
    directory_parser,
    parse_count,
    parse_nonnegative,
    parse_positive,
)
from reprise.retrain.choices import MOST_NIGHTS, NIGHTS, PromoteWhen, PublishMode

EXAMPLES = {
    "reprise retrain --dry-run": "decide, and push nothing",
    "reprise retrain --publish branch": "push a better model as a branch",
}
EXIT_STATUS = {
    0: "it was decided, whatever the outcome",
    1: "a stage failed, or the champion can't be evaluated",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `retrain` to the command line."""
    help_ = "train on new data in a clone, and propose the model if it is better beyond noise"
    parser = subparsers.add_parser("retrain", parents=[directory_parser()], help=help_)
    add = parser.add_argument
    add_publication(parser, PublishMode)
    hand_over = "push nothing, and write there what `reprise publish DIR` takes"
    add("--hand-over", type=Path, metavar="DIR", help=hand_over)
    add("--metric", metavar="NAME", help="to decide by (default: the first that dvc.yaml declares)")
    least = "promote what is better by that at least, at the lower end of its interval"
    add("--min-effect", type=parse_nonnegative, default=0.0, metavar="X", help=least)
    verdicts = [choice.value for choice in PromoteWhen]
    add("--promote-when", choices=verdicts, default="better", help="beyond noise (default: better)")
    margin = "how much worse is still not worse (default: the metric's margin in dvc.yaml)"
    add("--margin", type=parse_positive, metavar="X", help=margin)
    nights = f"the challengers of the last N nights have to be better together (default: {NIGHTS})"
    add("--nights", type=parse_nights, default=NIGHTS, metavar="N", help=nights)
    add("-j", "--jobs", type=parse_count, metavar="N", help="at most N stages at a time")
    add("--no-wait", action="store_true", help="skip when another retraining is at work")
    add("--dry-run", action="store_true", help="decide, and push nothing")
    add("--out", metavar="FILE", help="write the decision there, as JSON")
    add("--report", metavar="FILE", help="write the report there, as Markdown")


def parse_nights(text: str) -> int:
    """Parse a number of nights. Raises ArgumentTypeError for more than are remembered."""
    nights = parse_count(text)
    if nights > MOST_NIGHTS:
        expected = f"a whole number from 1 to {MOST_NIGHTS}"
        raise argparse.ArgumentTypeError(f"found {text!r}; expected {expected}")
    return nights


def execute(args: argparse.Namespace) -> int:
    """Retrain, and write what --out and --report ask for."""
    # statistics, DuckDB and HTTP: a second to import
    from reprise.retrain.options import Gate, RetrainOptions
    from reprise.retrain.retrain import retrain
    from reprise.review.render.markdown import markdown

    gate = Gate(
        metric=args.metric,
        min_effect=args.min_effect,
        when=PromoteWhen(args.promote_when),
        nights=args.nights,
        margin=args.margin,
    )
    options = RetrainOptions(
        repository=args.repository,
        folder=Path(args.workplace).expanduser().resolve(),
        base=args.base,
        publish=PublishMode(args.publish),
        gate=gate,
        jobs=args.jobs,
        wait=not args.no_wait,
        dry_run=args.dry_run,
        hand_over=args.hand_over,
    )
    result = retrain(options, lambda line: print(line, flush=True))
    if result.report is not None and args.report:
        Path(args.report).write_text(markdown(result.report), encoding="utf-8")
    if args.out:
        decision = result.decision.model_dump_json(indent=2)
        Path(args.out).write_text(f"{decision}\n", encoding="utf-8")
    return 0
