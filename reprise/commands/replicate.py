"""`reprise replicate`: train a revision again with other seeds, aside."""

import argparse
import sys
from pathlib import Path

from reprise.commands.options import Subparsers, directory_parser, parse_count

EXAMPLES = {
    "reprise replicate -j2": "train the working tree again, two at a time",
    "reprise replicate main --push": "train main again, and share it by the remote",
}
EXIT_STATUS = {
    0: "all trainings are in the run-cache",
    1: "a training failed, or was refused, or was not pushed",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `replicate` to the command line."""
    help_ = "train again with other seeds, aside, so that reports can judge a change"
    parser = subparsers.add_parser("replicate", parents=[directory_parser()], help=help_)
    add = parser.add_argument
    add("rev", nargs="?", metavar="REV", help="a branch or commit (default: the working tree)")
    add(
        "-j",
        "--jobs",
        type=parse_count,
        default=1,
        metavar="N",
        help="at most N trainings at a time (default: 1)",
    )
    shared = "push them: the run-cache's entries to the default remote, outs to theirs"
    add("--push", action="store_true", help=shared)


def execute(args: argparse.Namespace) -> int:
    """Bring the replicates up to date: `base` of a commit, `change` of the working tree."""
    from tempfile import TemporaryDirectory

    from reprise.dvc.history.reader import RevisionReader
    from reprise.dvc.history.revision import WORKTREE
    from reprise.replicate.plan import replicated_stages
    from reprise.replicate.run import Work, replicates
    from reprise.review.staleness import check_as_recorded
    from reprise.state.durations import Durations

    with (
        TemporaryDirectory(prefix="reprise-") as temporary,
        RevisionReader(Path(temporary)) as reader,
    ):
        commit = None
        if args.rev is not None:
            commit = reader.commit(args.rev)
        revision = reader.read(args.rev or WORKTREE, commit)
        stages = replicated_stages(reader, revision)
        for stage in stages:
            check_as_recorded(revision, stage.needed)
        root = reader.root
        durations = Durations(reader.records)
    work = Work.of(commit, stages, is_base=commit is not None, push=args.push)
    with replicates(root, [work], args.jobs, _tell, durations):
        pass  # their predictions are not read here: they stay in the run-cache
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
