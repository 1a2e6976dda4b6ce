"""List what reprise keeps in a repository's `.dvc/tmp/reprise`, the folder that `dvc/` names."""

import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from reprise.process.groups import end_noted_group
from reprise.state.process_numbers import ProcessNumbers
from reprise.state.trace.answer import NAME as ANSWER
from reprise.state.trace.answer import STANDING

WEEK = 7 * 24 * 3600  # seconds
# Of what a process made, by its number: `123-0-1`, `123.jsonl`.
PROCESS_NAME = re.compile(r"([0-9]{1,9})[-.].+")


class StateFolders:
    """Holds the paths below `.dvc/tmp/reprise`.

    While dvc.lock is written, `lock.part` of `reprise.dvc` lies there too; and `parsed`, with what
    the files of DVC hold, as JSON.
    """

    def __init__(self, top: Path) -> None:
        """Name the paths below `top`, a repository's `.dvc/tmp/reprise`. Nothing is made yet."""
        self.processes = ProcessNumbers(top / "processes")
        self.sandboxes = top / "sandbox"  # each begins with the number of the process that made it
        self.replicates = top / "replicates"  # copies of the repository, named as the sandboxes
        self.logs = top / "logs"  # the output of each stage's last run
        self.groups = top / "groups"  # notes of process groups, named as the sandboxes
        self.mailboxes = top / "boxes"  # messages between a runner and Prefect's task runs
        self.journals = top / "journal"  # what finished since dvc.lock was written
        self.early_entries = top / "early.jsonl"  # of dvc.lock, ahead of what did not finish
        self.left_files = top / "left.jsonl"  # what commands left that no out names
        self.durations = top / "history.jsonl"  # the seconds of recorded runs
        # Folders of commands' own, to go on from where they were killed.
        self.checkpoints = top / "checkpoints"
        self.live = top / "live"  # rows that commands write while they run, a file for each stage
        self.predictions = top / "predictions"  # of old models on new rows
        self.answer = top / ANSWER  # what the last plan said that found nothing to do
        self.standing = top / STANDING  # what the last plan found of each stage

    @classmethod
    def in_repository(cls, root: Path) -> "StateFolders":
        """Name the paths of the repository at `root`, which need not be open."""
        return cls(root / ".dvc" / "tmp" / "reprise")

    def clean_up_after_killed(self) -> None:
        """End the commands, and remove the sandboxes and copies, of runs that were killed."""
        for note in filter(Path.is_file, self.left_by_killed(self.groups)):
            end_noted_group(note)
        for sandbox in self.left_by_killed(self.sandboxes):
            remove_sandbox(sandbox)
        for copies in self.left_by_killed(self.replicates):
            remove_copies(copies)

    def remove_old_checkpoints(self) -> None:
        """Remove what commands kept for their next run and did not touch for a week."""
        _remove_old(self.checkpoints)

    def remove_old_predictions(self) -> None:
        """Remove the predictions of old models that nobody read for a week."""
        _remove_old(self.predictions)

    def left_by_killed(self, folder: Path) -> list[Path]:
        """List what processes made in one of the folders that are no longer alive.

        Names without a process's number are not ours: a command may have written `../x` from its
        sandbox.
        """
        left = []
        for path in folder.glob("*"):
            name = PROCESS_NAME.fullmatch(path.name)
            if name is None:
                continue
            if not self.processes.is_of_another(int(name[1]), path):
                left.append(path)
        return left


def _remove_old(folder: Path) -> None:
    for kept in folder.glob("*"):
        with suppress(FileNotFoundError):  # another process has just removed it
            if time.time() - kept.stat().st_mtime > WEEK:
                shutil.rmtree(kept, ignore_errors=True)


def remove_sandbox(folder: Path) -> None:
    """Remove the folder of a sandbox with all that is left in it."""
    for mounted in (folder, *folder.glob("deps/*")):
        with suppress(OSError):
            (mounted / "work" / "work").chmod(0o700)  # an overlay's own, which nobody may look into
    shutil.rmtree(folder, ignore_errors=True)


def remove_copies(folder: Path) -> None:
    """Remove a folder of repositories, with the sandboxes that runs in them left."""
    for sandbox in folder.glob("**/.dvc/tmp/reprise/sandbox/*"):
        remove_sandbox(sandbox)
    shutil.rmtree(folder, ignore_errors=True)
